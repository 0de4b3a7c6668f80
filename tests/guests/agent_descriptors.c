/* Numbers that come to mean something else between two calls, in every way there is. */
#include "guest.h"
#include <poll.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static __thread char buf[256];

/* Writes after a while, so that a reader has to wait. */
static void *writes_late(void *argument) {
    sleep_ms(5);
    CHECK_EQ(write(*(int *)argument, "12345678", 8), 8);
    return NULL;
}

static void read_waits(int from, int to) {
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, writes_late, &to));
    CHECK_EQ(read(from, buf, 8), 8);
    CHECK(memcmp(buf, "12345678", 8) == 0);
    ZERO(pthread_join(thread, NULL));
}

static void nothing_there(int fd) {
    for (int i = 0; i < 3; i++)
        FAILS(read(fd, buf, 8), EAGAIN);
}

static void zeroes(int fd) {
    for (int i = 0; i < 3; i++)
        CHECK_EQ(read(fd, buf, 8), 8);
}

/* A number that never waited now does. */
static void reused(void) {
    for (int i = 0; i < 4; i++) {
        int fd = OK(open("/dev/zero", O_RDWR));
        zeroes(fd);
        int p[2];
        OK(pipe(p));
        OK(dup2(p[0], fd));
        read_waits(fd, p[1]);
        int zero = OK(open("/dev/zero", O_RDWR));
        OK(dup3(zero, fd, O_CLOEXEC));
        zeroes(fd);
        OK(close(fd));
        CHECK_EQ(fcntl(p[0], F_DUPFD, fd), fd);
        read_waits(fd, p[1]);
        OK(close(fd));
        CHECK_EQ(dup(zero), fd);
        zeroes(fd);
        OK(syscall(SYS_close_range, fd, fd, 0));
        FAILS(read(fd, buf, 8), EBADF);
        int s[2];
        OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
        CHECK_EQ(s[0], fd);
        read_waits(s[0], s[1]);
        OK(close(s[0])), OK(close(s[1])), OK(close(p[0])), OK(close(p[1])), OK(close(zero));
    }
}

static void flags_change(void) {
    int p[2];
    OK(pipe2(p, O_NONBLOCK));
    for (int i = 0; i < 4; i++) {
        int twin = OK(dup(p[0])), on = 1, off = 0;
        nothing_there(p[0]), nothing_there(twin);
        OK(fcntl(p[0], F_SETFL, 0));
        read_waits(p[0], p[1]), read_waits(twin, p[1]);
        OK(fcntl(twin, F_SETFL, O_NONBLOCK));
        nothing_there(p[0]);
        OK(ioctl(twin, FIONBIO, &off));
        read_waits(p[0], p[1]);
        OK(ioctl(p[0], (int)(FIONBIO | 0), &on));
        nothing_there(twin);
        /* In another process, which shares it. */
        pid_t pid = OK(fork());
        if (pid == 0) {
            nothing_there(p[0]);
            OK(fcntl(p[0], F_SETFL, 0));
            read_waits(p[0], p[1]);
            _exit(0);
        }
        expect_exit(pid, 0);
        read_waits(twin, p[1]), read_waits(p[0], p[1]);
        pid = OK(fork());
        if (pid == 0) {
            OK(syscall(SYS_fcntl, 0x100000000l | p[0], 0x200000000l | F_SETFL, O_NONBLOCK));
            _exit(0);
        }
        expect_exit(pid, 0);
        nothing_there(p[0]);
        OK(close(twin));
    }
    OK(close(p[0])), OK(close(p[1]));
    int s[2];
    OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
    for (int i = 0; i < 3; i++) {
        read_waits(s[0], s[1]);
        OK(fcntl(s[0], F_SETFL, O_NONBLOCK));
        nothing_there(s[0]);
        OK(fcntl(s[0], F_SETFL, 0));
    }
    OK(close(s[0])), OK(close(s[1]));
}

/* The same table in another process, without its memory: `clone` with CLONE_FILES alone. */
static void shared_table(void) {
    int p[2], ready[2];
    OK(pipe(p)), OK(pipe(ready));
    int fd = OK(open("/dev/zero", O_RDWR));
    zeroes(fd);
    long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    CHECK(pid >= 0);
    if (pid == 0) {
        zeroes(fd);
        OK(dup2(p[0], fd));
        CHECK_EQ(write(ready[1], "x", 1), 1);
        _exit(0);
    }
    CHECK_EQ(read(ready[0], buf, 1), 1);
    read_waits(fd, p[1]);
    expect_exit((pid_t)pid, 0);
    read_waits(fd, p[1]);
    OK(close(fd)), OK(close(p[0])), OK(close(p[1])), OK(close(ready[0])), OK(close(ready[1]));
}

/* A child in the same memory with a table of its own closes and duplicates. */
static void vforks(void) {
    for (int i = 0; i < 5; i++) {
        int p[2];
        OK(pipe(p));
        int fd = OK(open("/dev/zero", O_RDWR));
        zeroes(fd);
        pid_t pid = vfork();
        if (pid == 0) {
            if (read(fd, buf, 8) != 8 || dup2(p[0], fd) < 0 || write(p[1], "12345678", 8) != 8)
                _exit(1);
            if (read(fd, buf, 8) != 8 || memcmp(buf, "12345678", 8) != 0)
                _exit(2);
            close(p[0]);
            _exit(0);
        }
        expect_exit(pid, 0);
        zeroes(fd);
        read_waits(p[0], p[1]);
        posix_spawn_file_actions_t actions;
        ZERO(posix_spawn_file_actions_init(&actions));
        ZERO(posix_spawn_file_actions_addclose(&actions, fd));
        ZERO(posix_spawn_file_actions_adddup2(&actions, p[0], fd));
        char *words[] = {"true", NULL}, *none[] = {NULL};
        ZERO(posix_spawn(&pid, "/bin/true", &actions, NULL, words, none));
        zeroes(fd);
        expect_exit(pid, 0);
        zeroes(fd);
        ZERO(posix_spawn_file_actions_destroy(&actions));
        OK(close(fd)), OK(close(p[0])), OK(close(p[1]));
    }
}

static int handed[2];
static void *own_table(void *argument) {
    int fd = *(int *)argument;
    zeroes(fd);
    OK(unshare(CLONE_FILES));
    OK(dup2(handed[0], fd));
    read_waits(fd, handed[1]);
    zeroes(OK(open("/dev/zero", O_RDONLY)));
    return NULL;
}

static void unshared(void) {
    int fd = OK(open("/dev/zero", O_RDWR));
    OK(pipe(handed));
    zeroes(fd);
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, own_table, &fd));
    for (int i = 0; i < 20; i++) {
        zeroes(fd);
        sleep_ms(1);
    }
    ZERO(pthread_join(thread, NULL));
    zeroes(fd);
    OK(close(fd)), OK(close(handed[0])), OK(close(handed[1]));
}

/* Handed over by a message to a number that had been something else. */
static void passed(void) {
    int s[2], p[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s)), OK(pipe(p));
    for (int i = 0; i < 4; i++) {
        int fd = OK(open("/dev/zero", O_RDWR));
        zeroes(fd);
        OK(close(fd));
        char c = 'c', control[CMSG_SPACE(sizeof(int))] = {0};
        struct iovec v = {&c, 1};
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &p[0], sizeof(int));
        CHECK_EQ(sendmsg(s[0], &m, 0), 1);
        CHECK_EQ(recvmsg(s[1], &m, 0), 1);
        int got;
        memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof got);
        CHECK_EQ(got, fd);
        read_waits(got, p[1]);
        OK(close(got));
    }
    OK(close(s[0])), OK(close(s[1])), OK(close(p[0])), OK(close(p[1]));
}

static void great_numbers(void) {
    struct rlimit limit;
    OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max < 10000 ? limit.rlim_max : 10000;
    OK(setrlimit(RLIMIT_NOFILE, &limit));
    int zero = OK(open("/dev/zero", O_RDWR));
    int fds[] = {4094, 4095, 4096, 4097, 8191, 9999};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if ((rlim_t)fds[i] >= limit.rlim_cur)
            continue;
        OK(dup2(zero, fds[i]));
        zeroes(fds[i]);
        CHECK_EQ(write(fds[i], buf, 8), 8);
        struct iovec v = {buf, 8};
        CHECK_EQ(writev(fds[i], &v, 1), 8);
        CHECK_EQ(syscall(SYS_read, 0x300000000l | fds[i], buf, 8), 8);
    }
    for (int i = 0; i < 3; i++) {
        FAILS(read(-1, buf, 1), EBADF);
        FAILS(read(INT_MAX, buf, 1), EBADF);
        FAILS(syscall(SYS_read, 0x80000001l, buf, 1), EBADF);
        FAILS(lseek(-1, 0, SEEK_SET), EBADF);
    }
    OK(close_range(4000, 10000, 0));
    OK(close(zero));
}

/* Everything else that is a descriptor, waiting and not. */
static void kinds(void) {
    int waits = OK(eventfd(0, 0)), at_once = OK(eventfd(0, EFD_NONBLOCK));
    uint64_t one = 1, count;
    for (int i = 0; i < 3; i++) {
        FAILS(read(at_once, &count, 8), EAGAIN);
        CHECK_EQ(write(at_once, &one, 8), 8);
        CHECK_EQ(read(at_once, &count, 8), 8);
        FAILS(read(at_once, &count, 7), EINVAL);
        read_waits(waits, waits);
    }
    OK(close(waits)), OK(close(at_once));
    int timer = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), slow = OK(timerfd_create(CLOCK_MONOTONIC, 0));
    for (int i = 0; i < 3; i++) {
        FAILS(read(timer, &count, 8), EAGAIN);
        struct itimerspec soon = {.it_value = {0, 2000000}};
        OK(timerfd_settime(slow, 0, &soon, NULL)), OK(timerfd_settime(timer, 0, &soon, NULL));
        CHECK_EQ(read(slow, &count, 8), 8);
        struct pollfd p = {timer, POLLIN, 0x55};
        CHECK_EQ(poll(&p, 1, -1), 1);
        CHECK_EQ(read(timer, &count, 8), 8);
    }
    OK(close(timer)), OK(close(slow));
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    int sfd = OK(signalfd(-1, &set, SFD_NONBLOCK));
    struct signalfd_siginfo info;
    for (int i = 0; i < 3; i++) {
        FAILS(read(sfd, &info, sizeof info), EAGAIN);
        OK(kill(getpid(), SIGUSR1));
        CHECK_EQ(read(sfd, &info, sizeof info), sizeof info);
        CHECK_EQ(info.ssi_signo, SIGUSR1);
    }
    OK(close(sfd));
    int watch = OK(inotify_init1(IN_NONBLOCK));
    OK(inotify_add_watch(watch, ".", IN_CREATE));
    for (int i = 0; i < 3; i++) {
        char name[16];
        FAILS(read(watch, buf, sizeof buf), EAGAIN);
        snprintf(name, sizeof name, "new%d", i);
        make_file(name, "x", 1);
        CHECK(read(watch, buf, sizeof buf) > 0);
    }
    OK(close(watch));
    /* epoll in its ways. */
    int p[2], ep = OK(epoll_create1(0));
    OK(pipe(p));
    struct epoll_event events[4], event = {EPOLLIN | EPOLLET, {.u64 = 7}};
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &event));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(epoll_wait(ep, events, 4, 0), 0);
        CHECK_EQ(epoll_wait(ep, events, 4, 1), 0);
        CHECK_EQ(write(p[1], "abc", 3), 3);
        CHECK_EQ(epoll_wait(ep, events, 4, i & 1 ? -1 : 100), 1);
        CHECK_EQ(events[0].data.u64, 7);
        CHECK_EQ(epoll_wait(ep, events, 4, 1), 0);
        CHECK_EQ(read(p[0], buf, 3), 3);
    }
    event.events = EPOLLIN | EPOLLONESHOT;
    for (int i = 0; i < 4; i++) {
        OK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &event));
        CHECK_EQ(write(p[1], "a", 1), 1);
        sigset_t mask;
        sigemptyset(&mask);
        CHECK_EQ(epoll_pwait(ep, events, 4, 1000, i & 1 ? &mask : NULL), 1);
        CHECK_EQ(epoll_wait(ep, events, 4, 1), 0);
        CHECK_EQ(read(p[0], buf, 1), 1);
    }
    int other = OK(epoll_create1(0));
    event.events = EPOLLIN | EPOLLEXCLUSIVE;
    OK(epoll_ctl(other, EPOLL_CTL_ADD, p[0], &event));
    FAILS(epoll_ctl(other, EPOLL_CTL_MOD, p[0], &event), EINVAL);
    FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &event), EINVAL);
    FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &event), EEXIST);
    FAILS(epoll_wait(p[0], events, 4, 0), EINVAL);
    /* An epoll set that another number stands for. */
    OK(dup2(p[0], other));
    FAILS(epoll_wait(other, events, 4, 0), EINVAL);
    OK(close(p[0])), OK(close(p[1])), OK(close(ep)), OK(close(other));
}

/* Files seen in several ways at once. */
static void files(void) {
    int a = OK(open("file", O_RDWR | O_CREAT, 0600)), b = OK(open("file", O_RDWR)), c = OK(open("file", O_RDWR | O_APPEND));
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(write(a, "0123456789", 10), 10);
        CHECK_EQ(read(b, buf, 5), 5);
        CHECK_EQ(write(c, "appended", 8), 8);
        CHECK_EQ(lseek(a, 0, SEEK_END), lseek(c, 0, SEEK_CUR));
        CHECK_EQ(pread(b, buf, 8, lseek(a, 0, SEEK_END) - 8), 8);
        CHECK(memcmp(buf, "appended", 8) == 0);
        struct stat st, by_name;
        OK(fstat(b, &st)), OK(stat("file", &by_name));
        CHECK_EQ(st.st_size, lseek(a, 0, SEEK_CUR));
        CHECK_EQ(by_name.st_size, st.st_size);
    }
    /* Now it shows in memory what is written. */
    char *map = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, a, 0));
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(pwrite(b, "written", 7, 3 + i), 7);
        CHECK(memcmp(map + 3 + i, "written", 7) == 0);
        memcpy(map, "stored", 6);
        CHECK_EQ(pread(c, buf, 6, 0), 6);
        CHECK(memcmp(buf, "stored", 6) == 0);
        struct iovec v = {"gathered", 8};
        CHECK_EQ(lseek(a, 20 + i, SEEK_SET), 20 + i);
        CHECK_EQ(writev(a, &v, 1), 8);
        CHECK(memcmp(map + 20 + i, "gathered", 8) == 0);
    }
    say("file %016lx", (unsigned long)hash(map, 100));
    OK(munmap(map, PAGE));
    int self = OK(open("/proc/self/mem", O_RDWR));
    static char target[64] = "before";
    for (int i = 0; i < 5; i++) {
        snprintf(buf, sizeof buf, "through %d", i);
        CHECK_EQ(pwrite(self, buf, 16, (off_t)(uintptr_t)target), 16);
        CHECK_EQ(strcmp(target, buf), 0);
        CHECK_EQ(pread(self, buf + 100, 16, (off_t)(uintptr_t)target), 16);
        CHECK_EQ(strcmp(buf + 100, target), 0);
    }
    OK(close(self)), OK(close(a)), OK(close(b)), OK(close(c));
    /* Too large a file. */
    struct rlimit limit = {1000, RLIM_INFINITY}, former;
    OK(getrlimit(RLIMIT_FSIZE, &former));
    limit.rlim_max = former.rlim_max;
    OK(setrlimit(RLIMIT_FSIZE, &limit));
    signal(SIGXFSZ, SIG_IGN);
    a = OK(open("small", O_RDWR | O_CREAT, 0600));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pwrite(a, buf, 100, 950), 50);
        FAILS(pwrite(a, buf, 100, 1000), EFBIG);
    }
    OK(setrlimit(RLIMIT_FSIZE, &former));
    OK(close(a));
}

int main(void) {
    reused();
    flags_change();
    vforks();
    passed();
    great_numbers();
    kinds();
    files();
    unshared();
    shared_table();
    say("ends");
    return 0;
}
