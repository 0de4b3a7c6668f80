/* Reads into several buffers and messages with an address, from files, pipes, and sockets that wait or do not: what
 * is written where, and what is not touched. */
#include "guest.h"
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

enum { ROUNDS = 8, ROOM = 100 };

static char buffers[4][ROOM];

/* One place each, so that it is met often enough. */
__attribute__((noinline)) static ssize_t get(int fd, const struct iovec *list, int count) {
    return readv(fd, list, count);
}

__attribute__((noinline)) static ssize_t get_at(int fd, const struct iovec *list, int count, off_t at) {
    return preadv(fd, list, count, at);
}

__attribute__((noinline)) static ssize_t put_at(int fd, const struct iovec *list, int count, off_t at) {
    return pwritev(fd, list, count, at);
}

__attribute__((noinline)) static ssize_t receive(int fd, struct msghdr *message, int flags) {
    return recvmsg(fd, message, flags);
}

static void clean(void) {
    memset(buffers, '.', sizeof buffers);
}

static struct iovec *list(const size_t *sizes, int count) {
    static struct iovec made[4];
    for (int i = 0; i < count; i++)
        made[i] = (struct iovec){buffers[i], sizes[i]};
    clean();
    return made;
}

static void show(const char *what, ssize_t n) {
    say("%s %zd %016llx", what, n, (unsigned long long)hash(buffers, sizeof buffers));
}

static void files(void) {
    int fd = OK(open("data", O_RDWR | O_CREAT | O_TRUNC, 0600));
    char data[250];
    fill(data, sizeof data, 1);
    CHECK_EQ(write(fd, data, sizeof data), sizeof data);
    for (int i = 0; i < ROUNDS; i++) {
        const size_t sizes[3] = {(size_t)i, 0, 40};
        OK(lseek(fd, i * 30, SEEK_SET));
        show("readv", get(fd, list(sizes, 3), 3));
        CHECK(memcmp(buffers[0], data + i * 30, (size_t)i) == 0);
        show("preadv", get_at(fd, list(sizes, 3), 3, 230));
        /* No further than the end, and then nothing. */
        CHECK_EQ(get_at(fd, list(sizes, 3), 3, 1000), 0);
        CHECK_EQ(get(fd, list(sizes, 3), 0), 0);
        const struct iovec out[2] = {{data + i, 10}, {data, 5}};
        CHECK_EQ(put_at(fd, out, 2, 300 + i * 15), 15);
        FAILS(get(fd, list(sizes, 3), -1), EINVAL);
        FAILS(get(fd, (const struct iovec *)8, 1), EFAULT);
        const struct iovec bad[2] = {{buffers[0], 4}, {(void *)8, 4}};
        clean();
        CHECK_EQ(get_at(fd, bad, 2, 0), 4);
        show("a part", 4);
    }
    close(fd);
}

static void pipes(void) {
    int p[2];
    OK(pipe(p));
    for (int i = 0; i < ROUNDS; i++) {
        const size_t sizes[3] = {3, 0, 5}, none[2] = {0, 0};
        CHECK_EQ(get(p[0], list(none, 2), 2), 0);
        pid_t pid = -1;
        if (i % 4 == 3) {
            pid = OK(fork());
            if (pid == 0) {
                usleep(3000);
                CHECK_EQ(write(p[1], "late", 4), 4);
                _exit(0);
            }
        } else
            CHECK_EQ(write(p[1], "at once", (size_t)i % 7 + 1), i % 7 + 1);
        show("pipe", get(p[0], list(sizes, 3), 3));
        if (pid > 0)
            expect_exit(pid, 0);
    }
}

static void streams(int waits) {
    int s[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM | (waits ? 0 : SOCK_NONBLOCK), 0, s));
    for (int i = 0; i < ROUNDS; i++) {
        const size_t sizes[3] = {3, 0, 5}, none[2] = {0, 0};
        CHECK_EQ(get(s[0], list(none, 2), 2), 0);
        if (!waits)
            FAILS(get(s[0], list(sizes, 3), 3), EAGAIN);
        CHECK_EQ(write(s[1], "words", (size_t)i % 5 + 1), i % 5 + 1);
        show("stream", get(s[0], list(sizes, 3), 3));
    }
    /* It becomes one that does not wait, and waits again. */
    for (int i = 0; i < 6; i++) {
        const size_t sizes[1] = {5};
        int on = i % 2 == 0;
        if (i < 2)
            OK(fcntl(s[0], F_SETFL, O_RDWR | (on ? O_NONBLOCK : 0)));
        else
            OK(ioctl(s[0], FIONBIO, &on));
        CHECK_EQ(fcntl(s[0], F_GETFL) & O_NONBLOCK, on ? O_NONBLOCK : 0);
        if (on)
            FAILS(get(s[0], list(sizes, 1), 1), EAGAIN);
        for (int j = 0; j < 3; j++) {
            CHECK_EQ(write(s[1], "abc", 3), 3);
            show("turned", get(s[0], list(sizes, 1), 1));
        }
        if (!on) {
            pid_t pid = OK(fork());
            if (pid == 0) {
                usleep(3000);
                CHECK_EQ(write(s[1], "late", 4), 4);
                _exit(0);
            }
            show("waited", get(s[0], list(sizes, 1), 1));
            expect_exit(pid, 0);
        }
    }
}

static void datagrams(void) {
    struct sockaddr_un here = {.sun_family = AF_UNIX, .sun_path = "here"};
    struct sockaddr_un there = {.sun_family = AF_UNIX, .sun_path = "there, which is longer"};
    int to = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), from = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
    OK(bind(to, (void *)&here, sizeof here));
    for (int i = 0; i < 2 * ROUNDS; i++) {
        const size_t sizes[2] = {4, 7}, none[2] = {0, 0};
        char words[20];
        fill(words, sizeof words, (unsigned)i);
        if (i == ROUNDS)
            OK(bind(from, (void *)&there, offsetof(struct sockaddr_un, sun_path) + 22));
        if (i == 3 * ROUNDS / 2) {
            /* A read of nothing takes nothing. */
            CHECK_EQ(sendto(from, "x", 1, 0, (void *)&here, sizeof here), 1);
            CHECK_EQ(get(to, list(none, 2), 2), 0);
            show("one", get(to, list(sizes, 2), 2));
        }
        CHECK_EQ(sendto(from, words, (size_t)i, 0, (void *)&here, sizeof here), i);
        struct sockaddr_un name;
        memset(&name, '.', sizeof name);
        struct msghdr message = {.msg_iov = list(sizes, 2), .msg_iovlen = 2, .msg_flags = 12345};
        if (i % 3) {
            message.msg_name = &name;
            message.msg_namelen = i % 3 == 1 ? sizeof name : 9;
        }
        ssize_t n = receive(to, &message, i % 2 ? MSG_TRUNC : 0);
        say("datagram %zd %u %x %zu %016llx", n, message.msg_namelen, message.msg_flags,
            message.msg_controllen, (unsigned long long)hash(&name, sizeof name));
        show("of", n);
    }
    /* Descriptors come with some. */
    int s[2];
    OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
    for (int i = 0; i < ROUNDS; i++) {
        union {
            char bytes[CMSG_SPACE(sizeof(int))];
            struct cmsghdr head;
        } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
        memcpy(CMSG_DATA(&control.head), &to, sizeof to);
        struct iovec data = {buffers[0], 1};
        struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control};
        message.msg_controllen = i % 2 ? sizeof control : 0;
        clean();
        CHECK_EQ(sendmsg(s[0], &message, 0), 1);
        message.msg_controllen = i % 3 ? sizeof control : 0;
        CHECK_EQ(receive(s[1], &message, MSG_CMSG_CLOEXEC), 1);
        say("rights %zu %x", message.msg_controllen, message.msg_flags);
        if (message.msg_controllen > 0) {
            int fd;
            memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
            CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
            OK(close(fd));
        }
    }
}

int main(void) {
    for (int i = 0; i < 2; i++) {
        files();
        pipes();
        streams(1);
        streams(0);
    }
    datagrams();
    return 0;
}
