/* Calls on sockets that wait, which may be tried without waiting first: what they give must not show it. */
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

static char big[65536], got[1 << 20];

struct drain {
    int fd;
    size_t total;
};

static void *drains(void *argument) {
    struct drain *d = argument;
    size_t done = 0;
    while (done < d->total) {
        ssize_t n = read(d->fd, got + done, d->total - done);
        CHECK(n > 0);
        done += (size_t)n;
    }
    return NULL;
}

/* A blocking write takes everything, however little room there is at first. */
static void whole_writes(int how) {
    int s[2], small = 4096;
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    OK(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small));
    /* Known to be a socket that waits. */
    for (int i = 0; i < 3; i++) {
        struct iovec v = {big, 1};
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
        char c;
        switch (how) {
        case 0: CHECK_EQ(write(s[0], big, 1), 1); break;
        case 1: CHECK_EQ(send(s[0], big, 1, 0), 1); break;
        case 2: CHECK_EQ(sendmsg(s[0], &m, 0), 1); break;
        default: CHECK_EQ(writev(s[0], &v, 1), 1); break;
        }
        CHECK_EQ(read(s[1], &c, 1), 1);
    }
    fill(big, sizeof big, (unsigned)how);
    struct drain d = {s[1], 4 * sizeof big};
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, drains, &d));
    for (int i = 0; i < 4; i++) {
        struct iovec v[2] = {{big, 1000}, {big + 1000, sizeof big - 1000}};
        struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
        switch (how) {
        case 0: CHECK_EQ(write(s[0], big, sizeof big), sizeof big); break;
        case 1: CHECK_EQ(send(s[0], big, sizeof big, 0), sizeof big); break;
        case 2: CHECK_EQ(sendmsg(s[0], &m, 0), sizeof big); break;
        default: CHECK_EQ(writev(s[0], v, 2), sizeof big); break;
        }
    }
    ZERO(pthread_join(thread, NULL));
    for (int i = 0; i < 4; i++)
        CHECK(memcmp(got + i * sizeof big, big, sizeof big) == 0);
    close(s[0]), close(s[1]);
}

/* So many bytes are sent before the write that is ended. */
enum { BEFORE = 20 };

/* What a half done write gives when the other end goes: what was taken, and only then the signal. */
static void *closes(void *argument) {
    int fd = *(int *)argument, there;
    do {
        sleep_ms(1);
        OK(ioctl(fd, FIONREAD, &there));
    } while (there <= BEFORE);
    /* The write has begun; most times it waits by then. */
    sleep_ms(10);
    close(fd);
    return NULL;
}

static void interrupted_write(void) {
    int s[2], small = 4096;
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    OK(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small));
    for (int i = 0; i < 2; i++)
        CHECK_EQ(send(s[0], big, BEFORE / 2, MSG_NOSIGNAL), BEFORE / 2);
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, closes, &s[1]));
    ssize_t n = send(s[0], big, sizeof big, MSG_NOSIGNAL);
    CHECK(n > 0 && n < (ssize_t)sizeof big);
    FAILS(send(s[0], big, 1, MSG_NOSIGNAL), EPIPE);
    ZERO(pthread_join(thread, NULL));
    close(s[0]);
}

/* read of nothing does not take a datagram; recv of nothing does. */
static void empty_reads(int type) {
    int s[2];
    OK(socketpair(AF_UNIX, type, 0, s));
    char buf[16];
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(write(s[0], "one", 3), 3);
        CHECK_EQ(write(s[0], "two", 3), 3);
        CHECK_EQ(read(s[1], buf, 0), 0);
        CHECK_EQ(read(s[1], buf, 3), 3);
        CHECK(memcmp(buf, "one", 3) == 0);
        if (type != SOCK_STREAM)
            CHECK_EQ(recv(s[1], buf, 0, 0), 0);
        else
            CHECK_EQ(read(s[1], buf, 3), 3);
        struct pollfd p = {s[1], POLLIN, 0};
        CHECK_EQ(poll(&p, 1, 0), 0);
        /* With nothing there, too. */
        CHECK_EQ(read(s[1], buf, 0), 0);
    }
    close(s[0]), close(s[1]);
}

/* A datagram of no bytes is one. */
static void empty_writes(int type) {
    int s[2];
    OK(socketpair(AF_UNIX, type, 0, s));
    char buf[4];
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(write(s[0], "", 0), 0);
        CHECK_EQ(write(s[0], "x", 1), 1);
        ssize_t n = read(s[1], buf, 4);
        CHECK_EQ(n, type == SOCK_STREAM ? 1 : 0);
        if (type != SOCK_STREAM)
            CHECK_EQ(read(s[1], buf, 4), 1);
    }
    close(s[0]), close(s[1]);
}

static void *sends_slowly(void *argument) {
    int fd = *(int *)argument;
    for (int i = 0; i < 10; i++) {
        sleep_ms(2);
        CHECK_EQ(write(fd, "0123456789", 10), 10);
    }
    return NULL;
}

/* So many bytes have to be there before a read ends. */
static void low_water(void) {
    int s[2], mark = 100;
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    char buf[200];
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(write(s[0], "a", 1), 1);
        CHECK_EQ(read(s[1], buf, 1), 1);
        CHECK_EQ(write(s[0], "a", 1), 1);
        CHECK_EQ(recv(s[1], buf, 1, 0), 1);
    }
    OK(setsockopt(s[1], SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark));
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        CHECK_EQ(write(s[0], "0123456789", 10), 10);
        ZERO(pthread_create(&thread, NULL, sends_slowly, &s[0]));
        ssize_t n = i & 1 ? recv(s[1], buf, 200, 0) : read(s[1], buf, 200);
        CHECK(n >= 100);
        ZERO(pthread_join(thread, NULL));
        CHECK_EQ(recv(s[1], buf, 200, MSG_DONTWAIT), 110 - n > 0 ? 110 - n : -1);
    }
    close(s[0]), close(s[1]);
}

static void flags(void) {
    int s[2];
    OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
    char buf[64];
    struct timeval limit = {0, 20000};
    OK(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(send(s[0], "0123456789", 10, 0), 10);
        CHECK_EQ(recv(s[1], buf, 4, MSG_PEEK), 4);
        CHECK_EQ(recv(s[1], buf, 4, MSG_PEEK | MSG_TRUNC), 10);
        CHECK_EQ(recv(s[1], buf, 4, MSG_TRUNC), 10);
        FAILS(recv(s[1], buf, 4, MSG_DONTWAIT), EAGAIN);
        FAILS(recv(s[1], buf, 4, 0), EAGAIN);
        FAILS(read(s[1], buf, 4), EAGAIN);
    }
    uint64_t before = now_ns();
    FAILS(recv(s[1], buf, 4, 0), EAGAIN);
    CHECK(now_ns() - before >= 15000000);
    close(s[0]), close(s[1]);
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        ZERO(pthread_create(&thread, NULL, sends_slowly, &s[0]));
        CHECK_EQ(recv(s[1], got, 100, MSG_WAITALL), 100);
        ZERO(pthread_join(thread, NULL));
    }
    int there = -1;
    CHECK_EQ(write(s[0], "abc", 3), 3);
    for (int i = 0; i < 3; i++) {
        OK(ioctl(s[1], FIONREAD, &there));
        CHECK_EQ(there, 3);
    }
    close(s[0]), close(s[1]);
}

static volatile int pipes_broken;
static void on_pipe(int number) {
    (void)number;
    pipes_broken++;
}

static void broken(void) {
    int s[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    signal(SIGPIPE, on_pipe);
    CHECK_EQ(write(s[0], "x", 1), 1);
    CHECK_EQ(write(s[0], "x", 1), 1);
    close(s[1]);
    for (int i = 1; i <= 20; i++) {
        FAILS(write(s[0], "x", 1), EPIPE);
        CHECK_EQ(pipes_broken, i);
        FAILS(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
        CHECK_EQ(pipes_broken, i);
        char c;
        CHECK(read(s[0], &c, 1) <= 0);
    }
    close(s[0]);
}

int main(void) {
    for (int how = 0; how < 4; how++)
        whole_writes(how);
    interrupted_write();
    empty_reads(SOCK_STREAM);
    empty_reads(SOCK_DGRAM);
    empty_reads(SOCK_SEQPACKET);
    empty_writes(SOCK_STREAM);
    empty_writes(SOCK_DGRAM);
    empty_writes(SOCK_SEQPACKET);
    low_water();
    flags();
    broken();
    say("%016lx", (unsigned long)hash(got, sizeof got));
    return 0;
}
