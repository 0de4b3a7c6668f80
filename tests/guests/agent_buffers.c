/* Bad memory passed to calls that do not stop, with SIGSEGV caught, blocked and ignored. */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>

#pragma GCC diagnostic ignored "-Wnonnull"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"

static volatile int faults;
static void on_fault(int number) {
    faults += number != 0;
    _exit(99);
}

static char *edge, *readonly, *none;
static int null, zero, file, sock[2], ep;

static void calls(int round) {
    char *end = edge + PAGE;
    char buf[64];
    struct stat st;
    /* Written to /dev/null, nothing is looked at. */
    CHECK_EQ(write(null, (void *)1, 10), 10);
    CHECK_EQ(write(null, end - 5, 10), 10);
    CHECK_EQ(write(null, none, 10), 10);
    FAILS(write(null, (void *)-4096l, 10), EFAULT);
    FAILS(read(zero, readonly, 10), EFAULT);
    FAILS(read(zero, none, 10), EFAULT);
    FAILS(read(zero, NULL, 10), EFAULT);
    CHECK_EQ(read(zero, NULL, 0), 0);
    memset(end - 8, 'e', 8);
    ssize_t n = read(zero, end - 8, 16);
    CHECK(n == -1 || n == 8);
    CHECK(end[-8] == 0 && end[-1] == 0);
    memset(end - 8, 'w', 8);
    CHECK_EQ(pwrite(file, end - 8, 16, 0), 8);
    CHECK_EQ(pread(file, end - 6, 8, 0), 6);
    FAILS(pwrite(file, none, 16, 0), EFAULT);
    FAILS(pwrite(file, NULL, 16, 0), EFAULT);
    CHECK_EQ(pwrite(file, NULL, 0, 0), 0);
    FAILS(pread(file, readonly, 4, 0), EFAULT);
    FAILS(write(sock[0], none, 16), EFAULT);
    FAILS(send(sock[0], end, 1, 0), EFAULT);
    CHECK_EQ(send(sock[0], "abcdefgh", 8, 0), 8);
    FAILS(recv(sock[1], none, 8, MSG_PEEK), EFAULT);
    CHECK_EQ(recv(sock[1], buf, 8, 0), 8);
    CHECK_EQ(send(sock[0], "abcdefgh", 8, 0), 8);
    memset(end - 4, 'r', 4);
    n = recv(sock[1], end - 4, 8, 0);
    say("at the edge: %zd, %.4s", n, end - 4);
    while (recv(sock[1], buf, 8, MSG_DONTWAIT) > 0)
        ;
    /* Half a status, half a name, half a structure. */
    FAILS(fstat(file, (void *)(end - 24)), EFAULT);
    say("half a status: %016lx", (unsigned long)hash(end - 24, 24));
    FAILS(syscall(SYS_newfstatat, AT_FDCWD, ".", end - 24, 0), EFAULT);
    say("half a status: %016lx", (unsigned long)hash(end - 24, 24));
    FAILS(fstat(file, (void *)readonly), EFAULT);
    FAILS(fstat(file, NULL), EFAULT);
    memset(end - 8, '/', 8);
    FAILS(syscall(SYS_newfstatat, AT_FDCWD, end - 8, &st, 0), EFAULT);
    end[-1] = 0;
    CHECK_EQ(syscall(SYS_newfstatat, AT_FDCWD, end - 8, &st, 0), 0);
    FAILS(syscall(SYS_newfstatat, AT_FDCWD, none, &st, 0), EFAULT);
    static char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    FAILS(stat(longest, &st), ENAMETOOLONG);
    longest[4095] = 0;
    FAILS(stat(longest, &st), ENAMETOOLONG);
    FAILS(ioctl(sock[1], FIONREAD, none), EFAULT);
    FAILS(ioctl(sock[1], FIONREAD, end - 2), EFAULT);
    /* poll: neither an attempt nor a failure may leave a trace. */
    struct pollfd *p = (void *)(end - 12);
    p[0] = (struct pollfd){sock[1], POLLIN, 0x7abc};
    FAILS(poll(p, 2, 0), EFAULT);
    FAILS(poll(p, 2, 5), EFAULT);
    FAILS(poll((void *)readonly, 1, 0), EFAULT);
    FAILS(poll(NULL, 1, 1), EFAULT);
    CHECK_EQ(poll(NULL, 0, 0), 0);
    CHECK_EQ(poll(NULL, 0, 1), 0);
    CHECK_EQ(p[0].fd, sock[1]);
    struct pollfd fine[3] = {{-1, POLLIN, 0x1111}, {sock[1], POLLIN, 0x2222}, {-7, POLLOUT, 0x3333}};
    CHECK_EQ(poll(fine, 3, 1), 0);
    CHECK(fine[0].revents == 0 && fine[1].revents == 0 && fine[2].revents == 0);
    CHECK(fine[0].fd == -1 && fine[2].fd == -7 && fine[1].events == POLLIN);
    fine[1].events = POLLOUT;
    CHECK_EQ(poll(fine, 3, INT_MAX), 1);
    CHECK_EQ(poll(fine, 3, -1), 1);
    /* Lists of buffers. */
    struct iovec *v = (void *)(end - 24);
    v[0] = (struct iovec){buf, 4};
    FAILS(writev(null, v, 2), EFAULT);
    FAILS(writev(file, (void *)none, 1), EFAULT);
    struct iovec two[2] = {{buf, 4}, {none, 4}};
    n = writev(file, two, 2);
    CHECK(n == 4 || (n == -1 && errno == EFAULT));
    n = writev(sock[0], two, 2);
    CHECK(n == 4 || (n == -1 && errno == EFAULT));
    while (recv(sock[1], buf, 8, MSG_DONTWAIT) > 0)
        ;
    struct iovec negative[2] = {{buf, 4}, {buf, (size_t)-1}};
    FAILS(writev(file, negative, 2), EINVAL);
    FAILS(writev(file, two, -1), EINVAL);
    FAILS(writev(file, two, 5000), EINVAL);
    CHECK_EQ(writev(file, two, 0), 0);
    struct msghdr m = {.msg_iov = two, .msg_iovlen = 2};
    n = sendmsg(sock[0], &m, 0);
    CHECK(n == -1 || n == 4);
    while (recv(sock[1], buf, 8, MSG_DONTWAIT) > 0)
        ;
    FAILS(sendmsg(sock[0], NULL, 0), EFAULT);
    FAILS(sendmsg(sock[0], (void *)(end - 20), 0), EFAULT);
    m.msg_iovlen = 100000;
    FAILS(sendmsg(sock[0], &m, 0), EMSGSIZE);
    /* Counts that are negative, huge, or an int's with other bits above. */
    FAILS(read(zero, buf, (size_t)-1), EFAULT);
    FAILS(pread(file, buf, (size_t)-1, 0), EFAULT);
    FAILS(syscall(SYS_epoll_wait, ep, buf, -1, 0), EINVAL);
    FAILS(syscall(SYS_epoll_wait, ep, buf, 0, 0), EINVAL);
    struct epoll_event event = {EPOLLOUT, {.u64 = 0x1122334455667788}};
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, sock[0], &event));
    FAILS(syscall(SYS_epoll_wait, ep, (long)none, 1, 0), EFAULT);
    FAILS(syscall(SYS_epoll_wait, ep, (long)readonly, 1, 0), EFAULT);
    FAILS(syscall(SYS_epoll_wait, ep, (long)(end - 6), 1, 5), EFAULT);
    struct epoll_event events[2];
    CHECK_EQ(syscall(SYS_epoll_wait, 0x7700000000l | ep, events, 0x100000002l, 0x500000000l), 1);
    CHECK_EQ(events[0].data.u64, 0x1122334455667788);
    FAILS(epoll_ctl(ep, EPOLL_CTL_MOD, sock[0], (void *)(end - 6)), EFAULT);
    FAILS(epoll_ctl(ep, EPOLL_CTL_MOD, sock[0], NULL), EFAULT);
    /* What is not looked at may be anywhere. */
    OK(epoll_ctl(ep, EPOLL_CTL_DEL, sock[0], (void *)(end - 6)));
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, sock[0], &event));
    OK(epoll_ctl(ep, EPOLL_CTL_DEL, sock[0], NULL));
    FAILS(syscall(SYS_getrandom, none, 8, 0), EFAULT);
    CHECK_EQ(getrandom(NULL, 0, 0), 0);
    FAILS(syscall(SYS_futex, none, 1, 1, 0, 0, 0), EFAULT);
    FAILS(syscall(SYS_futex, (char *)buf + 1, 1, 1, 0, 0, 0), EINVAL);
    CHECK_EQ(syscall(SYS_getpid | 0x500000000l), getpid());
    CHECK_EQ(syscall(SYS_pread64, 0x5500000000l | file, buf, 4, 0), 4);
    CHECK_EQ(syscall(SYS_lseek, 0x5500000000l | file, round, 0x900000000l | SEEK_SET), round);
    FAILS(syscall(SYS_getdents64, file, buf, 64), ENOTDIR);
}

int main(void) {
    edge = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    readonly = OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    none = OK(mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OK(munmap(edge + PAGE, PAGE));
    null = OK(open("/dev/null", O_RDWR)), zero = OK(open("/dev/zero", O_RDWR));
    file = OK(open("f", O_RDWR | O_CREAT, 0600));
    OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, sock));
    ep = OK(epoll_create1(0));
    signal(SIGSEGV, on_fault), signal(SIGBUS, on_fault), signal(SIGTRAP, on_fault);
    for (int i = 0; i < 4; i++)
        calls(i);
    sigset_t all;
    sigfillset(&all);
    OK(sigprocmask(SIG_BLOCK, &all, NULL));
    for (int i = 0; i < 4; i++)
        calls(i);
    CHECK_EQ(signal(SIGSEGV, SIG_IGN) == on_fault, 1);
    CHECK_EQ(signal(SIGTRAP, SIG_IGN) == on_fault, 1);
    OK(sigprocmask(SIG_UNBLOCK, &all, NULL));
    for (int i = 0; i < 4; i++)
        calls(i);
    CHECK(signal(SIGSEGV, SIG_DFL) == SIG_IGN);
    sigset_t now;
    OK(sigprocmask(SIG_BLOCK, NULL, &now));
    CHECK(!sigismember(&now, SIGSEGV) && !sigismember(&now, SIGTRAP));
    CHECK_EQ(faults, 0);
    return 0;
}
