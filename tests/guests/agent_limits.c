/* Around every limit of what is done without a stop: sizes, counts, lists, and more of it in a row than is
 * kept. */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#pragma GCC diagnostic ignored "-Wstringop-overflow"

static char big[2 << 20], back[2 << 20];

static void sizes(void) {
    static const size_t all[] = {0,     1,     7,     8,     9,     31,    32,     33,     4095,    4096,
                                 65528, 65535, 65536, 65537, 65544, 70000, 131072, 131073, 1 << 20, (1 << 20) + 1};
    int fd = OK(open("file", O_RDWR | O_CREAT, 0600)), s[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    fill(big, sizeof big, 1);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            size_t n = all[i];
            CHECK_EQ(pwrite(fd, big + round, n, 3), n);
            memset(back, 0, n + 1);
            CHECK_EQ(pread(fd, back, n, 3), n);
            CHECK(memcmp(back, big + round, n) == 0 && back[n] == 0);
            struct iovec v[2] = {{big, n / 2}, {big + n / 2, n - n / 2}};
            CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
            CHECK_EQ(writev(fd, v, 2), n);
            CHECK_EQ(pread(fd, back, n, 0), n);
            CHECK(memcmp(back, big, n) == 0);
            CHECK_EQ(syscall(SYS_getrandom, back, n, 0), n);
            if (n > 0 && n < 100000) {
                CHECK_EQ(send(s[0], big, n, 0), n);
                read_exactly(s[1], back, n);
                CHECK(memcmp(back, big, n) == 0);
            }
        }
    OK(close(fd)), OK(close(s[0])), OK(close(s[1]));
}

static void lists(void) {
    int fd = OK(open("file", O_RDWR | O_CREAT, 0600)), s[2];
    OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
    static struct iovec v[1024];
    static const int counts[] = {0, 1, 2, 63, 64, 65, 1023, 1024};
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            int n = counts[i];
            for (int j = 0; j < n; j++)
                v[j] = (struct iovec){big + j * 10, (size_t)(j % 11)};
            size_t total = 0;
            for (int j = 0; j < n; j++)
                total += v[j].iov_len;
            CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
            CHECK_EQ(writev(fd, v, n), total);
            struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)n};
            if (total > 0) {
                CHECK_EQ(sendmsg(s[0], &m, i & 1 ? MSG_DONTWAIT : 0), total);
                CHECK_EQ(recv(s[1], back, sizeof back, 0), total);
            }
        }
    OK(close(fd)), OK(close(s[0])), OK(close(s[1]));
    /* Many descriptors to look at, one of them ready. */
    static struct pollfd fds[1000];
    int p[2], ep = OK(epoll_create1(0));
    OK(pipe(p));
    for (int round = 0; round < 12; round++) {
        static const int numbers[] = {1, 10, 100, 1000};
        int n = numbers[round % 4];
        for (int i = 0; i < n; i++)
            fds[i] = (struct pollfd){i % 3 ? p[0] : -1, POLLIN, (short)i};
        fds[n - 1] = (struct pollfd){p[1], POLLOUT, 0x77};
        CHECK_EQ(poll(fds, (nfds_t)n, round & 1 ? -1 : 0), 1);
        CHECK(fds[n - 1].revents == POLLOUT && (n == 1 || fds[0].revents == 0));
        fds[n - 1].fd = p[0], fds[n - 1].events = POLLIN;
        CHECK_EQ(poll(fds, (nfds_t)n, round & 1), 0);
        CHECK(fds[n - 1].revents == 0);
        static struct epoll_event events[4000];
        CHECK_EQ(epoll_wait(ep, events, n * 4, round & 1), 0);
        FAILS(epoll_wait(ep, events, INT_MAX, 0), EINVAL);
    }
    OK(close(p[0])), OK(close(p[1])), OK(close(ep));
}

static void names(void) {
    struct stat st;
    char name[PATH_MAX + 10];
    for (int round = 0; round < 3; round++)
        for (size_t n = PATH_MAX - 3; n < PATH_MAX + 5; n++) {
            memset(name, '/', n);
            name[n - 1] = '.', name[n] = 0;
            int r = stat(name, &st);
            CHECK(n < PATH_MAX ? r == 0 : r == -1 && errno == ENAMETOOLONG);
        }
    FAILS(fstatat(-1, "nothing", &st, 0), EBADF);
    FAILS(stat("", &st), ENOENT);
    OK(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
    OK(stat("/dev/fd/../fd/0/.", &st) == 0 ? 0 : 0);
}

/* More than is kept between two stops, many times over. */
static void volume(void) {
    int null = OK(open("/dev/null", O_RDWR)), zero = OK(open("/dev/zero", O_RDWR));
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(write(null, big, 60000), 60000);
        memset(back, 1, 30000);
        CHECK_EQ(read(zero, back, 30000), 30000);
        CHECK(back[0] == 0 && back[29999] == 0);
    }
    for (int i = 0; i < 20000; i++)
        CHECK_EQ(syscall(SYS_getppid), getppid());
    for (int i = 0; i < 5000; i++) {
        char c[24];
        CHECK_EQ(read(zero, c, sizeof c), sizeof c);
        /* Clock reads in between. */
        if (i % 7 == 0)
            CHECK(now_ns() > 0);
    }
    OK(close(null)), OK(close(zero));
}

int main(void) {
    sizes();
    lists();
    names();
    volume();
    unsigned char random[64];
    CHECK_EQ(getrandom(random, sizeof random, 0), sizeof random);
    say("%016lx", (unsigned long)hash(random, sizeof random));
    return 0;
}
