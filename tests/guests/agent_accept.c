/* Connections accepted from a listener that does not wait and from one that does, with and without the peer's address;
 * addresses, errors and ends of connections asked for. */
#include "guest.h"
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ROUNDS = 12 };

/* One place each, so that it is met often enough. */
__attribute__((noinline)) static int take(int fd, void *name, socklen_t *length) {
    return accept(fd, name, length);
}

__attribute__((noinline)) static int take4(int fd, void *name, socklen_t *length, int flags) {
    return accept4(fd, name, length, flags);
}

__attribute__((noinline)) static int own(int fd, void *name, socklen_t *length) {
    return getsockname(fd, name, length);
}

__attribute__((noinline)) static int peer(int fd, void *name, socklen_t *length) {
    return getpeername(fd, name, length);
}

__attribute__((noinline)) static int error(int fd) {
    int value = -1;
    socklen_t length = sizeof value;
    OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &length));
    CHECK_EQ(length, sizeof value);
    return value;
}

static struct sockaddr_in address(int fd, int (*asked)(int, void *, socklen_t *)) {
    struct sockaddr_in name = {0};
    socklen_t length = sizeof name;
    OK(asked(fd, &name, &length));
    CHECK_EQ(length, sizeof name);
    return name;
}

static int same(const struct sockaddr_in *one, const struct sockaddr_in *other) {
    return one->sin_port == other->sin_port && one->sin_addr.s_addr == other->sin_addr.s_addr;
}

static void end(int ours, int theirs) {
    char byte;
    CHECK_EQ(write(theirs, "x", 1), 1);
    struct pollfd ready = {ours, POLLIN, 0};
    CHECK_EQ(poll(&ready, 1, -1), 1);
    CHECK_EQ(read(ours, &byte, 1), 1);
    OK(shutdown(ours, SHUT_WR));
    CHECK_EQ(read(theirs, &byte, 1), 0);
    CHECK_EQ(error(ours), 0);
    OK(close(theirs));
    OK(close(ours));
    FAILS(shutdown(ours, SHUT_WR), EBADF);
}

static void internet(int waits) {
    int listener = OK(socket(AF_INET, SOCK_STREAM | (waits ? 0 : SOCK_NONBLOCK), 0));
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    OK(bind(listener, (void *)&any, sizeof any));
    OK(listen(listener, 16));
    struct sockaddr_in at = address(listener, own);
    FAILS(peer(listener, &any, &(socklen_t){sizeof any}), ENOTCONN);
    for (int i = 0; i < ROUNDS; i++) {
        if (!waits)
            FAILS(take4(listener, NULL, NULL, 0), EAGAIN);
        int theirs = OK(socket(AF_INET, SOCK_STREAM, 0));
        OK(connect(theirs, (void *)&at, sizeof at));
        struct sockaddr_in name;
        memset(&name, 0x55, sizeof name);
        socklen_t length = i % 3 == 2 ? 6 : sizeof name;
        int ours;
        switch (i % 4) {
        case 0: ours = OK(take(listener, &name, &length)); break;
        case 1: ours = OK(take4(listener, &name, &length, SOCK_NONBLOCK | SOCK_CLOEXEC)); break;
        case 2: ours = OK(take4(listener, NULL, NULL, 0)); break;
        default: ours = OK(take(listener, NULL, (socklen_t *)8)); break;
        }
        struct sockaddr_in from = address(theirs, own), seen = address(ours, peer), local = address(ours, own);
        CHECK(same(&from, &seen) && same(&local, &at));
        if (i % 4 < 2) {
            CHECK_EQ(length, sizeof name);
            CHECK(name.sin_port == from.sin_port);
            CHECK_EQ(((unsigned char *)&name)[7], i % 3 == 2 ? 0x55 : 1);
        }
        CHECK_EQ(fcntl(ours, F_GETFD), i % 4 == 1 ? FD_CLOEXEC : 0);
        end(ours, theirs);
    }
    int theirs = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(connect(theirs, (void *)&at, sizeof at));
    FAILS(take(listener, &any, (socklen_t *)8), EFAULT);
    OK(close(theirs));
    OK(close(listener));
}

static void local(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "listener"};
    int listener = OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    OK(bind(listener, (void *)&at, sizeof at));
    OK(listen(listener, 16));
    for (int i = 0; i < ROUNDS; i++) {
        int theirs = OK(socket(AF_UNIX, SOCK_STREAM, 0));
        OK(connect(theirs, (void *)&at, sizeof at));
        struct sockaddr_un name;
        memset(&name, 0x55, sizeof name);
        socklen_t length = sizeof name;
        int ours = OK(take(listener, &name, &length));
        CHECK_EQ(length, 2);
        CHECK(name.sun_family == AF_UNIX && name.sun_path[0] == 0x55);
        end(ours, theirs);
    }
    for (int i = 0; i < ROUNDS; i++) {
        FAILS(take(0x7fffffff, NULL, NULL), EBADF);
        FAILS(take(STDERR_FILENO, NULL, NULL), ENOTSOCK);
    }
    OK(close(listener));
}

/* A thread accepts, and waits for it. */
static void *connects(void *argument) {
    for (int i = 0; i < ROUNDS; i++) {
        usleep(1000);
        int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
        OK(connect(fd, argument, sizeof(struct sockaddr_in)));
        char byte;
        CHECK_EQ(read(fd, &byte, 1), 1);
        OK(close(fd));
    }
    return NULL;
}

static void waiting(void) {
    int listener = OK(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    OK(bind(listener, (void *)&any, sizeof any));
    OK(listen(listener, 16));
    struct sockaddr_in at = address(listener, own);
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, connects, &at));
    for (int i = 0; i < ROUNDS; i++) {
        int fd = OK(take(listener, NULL, NULL));
        CHECK_EQ(write(fd, "y", 1), 1);
        OK(close(fd));
    }
    ZERO(pthread_join(thread, NULL));
    OK(close(listener));
}

int main(void) {
    internet(0);
    internet(1);
    local();
    waiting();
    say("done");
    return 0;
}
