/* select, pselect, ppoll and epoll_pwait2 with no time, some time and for ever, ready at once, later or not at all: what
 * is in the sets behind it, and that only the right time passes; sched_yield between threads that wait for each other;
 * memory given back. */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

enum { ROUNDS = 10, TURNS = 300 };

static int p[2];
static volatile sig_atomic_t handled;

static void count(int number) {
    (void)number;
    handled++;
}

static long long now(void) {
    struct timespec t;
    OK(clock_gettime(CLOCK_MONOTONIC, &t));
    return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* The calls as they are: the library's functions copy the time. One place each. */
__attribute__((noinline)) static long selects(int n, fd_set *in, fd_set *out, struct timeval *time) {
    return syscall(SYS_select, n, in, out, NULL, time);
}

__attribute__((noinline)) static long selects6(int n, fd_set *in, fd_set *out, struct timespec *time) {
    return syscall(SYS_pselect6, n, in, out, NULL, time, NULL);
}

__attribute__((noinline)) static long polls(struct pollfd *fds, unsigned n, struct timespec *time) {
    return syscall(SYS_ppoll, fds, n, time, NULL, 8);
}

__attribute__((noinline)) static long epolls(int fd, struct epoll_event *events, struct timespec *time) {
    return syscall(441, fd, events, 4, time, NULL, 8);
}

static int epoll;

/* What is ready: bit 0 for reading, bit 1 for writing. What the time is behind it, if some is left, shows nowhere. */
static long asks(int how, int forever, long ms) {
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(p[0], &in);
    FD_SET(p[0], &out);
    struct pollfd fds[2] = {{p[0], POLLIN, 77}, {-1, POLLIN, 77}};
    struct timespec fine = {ms / 1000, ms % 1000 * 1000000};
    struct timeval coarse = {ms / 1000, ms % 1000 * 1000};
    struct epoll_event events[4];
    long n;
    switch (how) {
    case 0:
        n = selects(p[0] + 1, &in, &out, forever ? NULL : &coarse);
        CHECK(n < 0 || (!FD_ISSET(p[0], &out) && !!FD_ISSET(p[0], &in) == n));
        CHECK(n < 0 || n == 1 || coarse.tv_sec + coarse.tv_usec == 0);
        return n;
    case 1:
        n = selects6(p[0] + 1, &in, NULL, forever ? NULL : &fine);
        CHECK(n < 0 || !!FD_ISSET(p[0], &in) == n);
        CHECK(n < 0 || n == 1 || fine.tv_sec + fine.tv_nsec == 0);
        return n;
    case 2:
        n = polls(fds, 2, forever ? NULL : &fine);
        CHECK(n < 0 || (fds[0].revents == n && fds[1].revents == 0));
        CHECK(n < 0 || n == 1 || fine.tv_sec + fine.tv_nsec == 0);
        return n;
    default:
        n = epolls(epoll, events, forever ? NULL : &fine);
        CHECK(n != 1 || events[0].data.u32 == 99);
        return n;
    }
}

static void later(void) {
    pid_t pid = fork();
    if (pid == 0) {
        usleep(5000);
        CHECK_EQ(write(p[1], "x", 1), 1);
        _exit(0);
    }
    OK(pid);
}

static void waits(void) {
    char byte;
    for (int round = 0; round < ROUNDS; round++)
        for (int how = 0; how < 4; how++) {
            CHECK_EQ(asks(how, 0, 0), 0);
            long long begun = now();
            CHECK_EQ(asks(how, 0, 5), 0);
            CHECK(now() - begun >= 4);
            CHECK_EQ(write(p[1], "x", 1), 1);
            CHECK_EQ(asks(how, 0, 0), 1);
            CHECK_EQ(asks(how, 0, 1000000), 1);
            CHECK_EQ(asks(how, 1, 0), 1);
            CHECK_EQ(read(p[0], &byte, 1), 1);
            later();
            CHECK_EQ(asks(how, round % 2, 1000000), 1);
            CHECK_EQ(read(p[0], &byte, 1), 1);
            CHECK(wait(NULL) > 0);
        }
    say("waits");
}

static void interrupted(void) {
    OK(sigaction(SIGALRM, &(struct sigaction){.sa_handler = count, .sa_flags = SA_RESTART}, NULL));
    for (int round = 0; round < ROUNDS; round++)
        for (int how = 0; how < 4; how++) {
            int before = handled;
            timer_t timer;
            OK(timer_create(CLOCK_MONOTONIC, NULL, &timer));
            OK(timer_settime(timer, 0, &(struct itimerspec){.it_value.tv_nsec = 3000000}, NULL));
            FAILS(asks(how, round % 2, 1000000), EINTR);
            CHECK_EQ(handled, before + 1);
            OK(timer_delete(timer));
        }
    say("interrupted %d", (int)handled);
}

static void refused(void) {
    fd_set in;
    FD_ZERO(&in);
    for (int round = 0; round < ROUNDS; round++) {
        FAILS(selects(1, &in, NULL, &(struct timeval){-1, 0}), EINVAL);
        FAILS(selects6(1, &in, NULL, &(struct timespec){0, 1000000000}), EINVAL);
        FAILS(polls(NULL, 0, &(struct timespec){0, -1}), EINVAL);
        FAILS(polls((struct pollfd *)8, 1, NULL), EFAULT);
        FAILS(selects(-1, NULL, NULL, NULL), EINVAL);
        FAILS(selects(64, (fd_set *)8, NULL, NULL), EFAULT);
        FAILS(epolls(0x7fffffff, NULL, NULL), round < 0 ? 0 : errno);
        CHECK(errno == EFAULT || errno == EBADF || errno == EINVAL);
        /* Microseconds beyond a second are taken. */
        CHECK_EQ(write(p[1], "x", 1), 1);
        FD_SET(p[0], &in);
        CHECK_EQ(selects(p[0] + 1, &in, NULL, &(struct timeval){1, 5000000}), 1);
        char byte;
        CHECK_EQ(read(p[0], &byte, 1), 1);
        FD_ZERO(&in);
    }
    say("refused");
}

/* A time that must not be written to is left alone; one that can be gets less even if nothing is waited for, so that a
 * loop over what is always ready ends. */
static void times(void) {
    static const struct timeval coarse = {1, 0};
    static const struct timespec fine = {1, 0};
    CHECK_EQ(write(p[1], "x", 1), 1);
    struct pollfd ready = {p[0], POLLIN, 0};
    for (int i = 0; i < 3 * ROUNDS; i++) {
        fd_set in;
        FD_ZERO(&in);
        FD_SET(p[0], &in);
        CHECK_EQ(selects(p[0] + 1, &in, NULL, (struct timeval *)&coarse), 1);
        CHECK_EQ(selects6(p[0] + 1, &in, NULL, (struct timespec *)&fine), 1);
        CHECK_EQ(polls(&ready, 1, (struct timespec *)&fine), 1);
    }
    struct timeval left = {0, 200};
    fd_set in;
    do {
        FD_ZERO(&in);
        FD_SET(p[0], &in);
    } while (selects(p[0] + 1, &in, NULL, &left) == 1 && left.tv_usec > 0);
    struct timespec more = {1, 3000};
    while (polls(&ready, 1, &more) == 1 && more.tv_sec > 0)
        ;
    char byte;
    CHECK_EQ(read(p[0], &byte, 1), 1);
    say("times");
}

static atomic_int turn;

__attribute__((noinline)) static void yields(void) {
    OK(sched_yield());
}

static void *turns(void *argument) {
    int own = (int)(intptr_t)argument;
    for (int i = 0; i < TURNS; i++) {
        while (atomic_load(&turn) % 3 != own)
            yields();
        atomic_fetch_add(&turn, 1);
    }
    return NULL;
}

static void yielding(void) {
    pthread_t threads[3];
    for (intptr_t i = 0; i < 3; i++)
        ZERO(pthread_create(&threads[i], NULL, turns, (void *)i));
    for (int i = 0; i < 3; i++)
        ZERO(pthread_join(threads[i], NULL));
    say("turns %d", atomic_load(&turn));
}

__attribute__((noinline)) static int advise(void *at, size_t length, int advice) {
    return madvise(at, length, advice);
}

static void memory(void) {
    char *area = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(area != MAP_FAILED);
    for (int round = 0; round < ROUNDS; round++) {
        int advice = round % 2 ? MADV_FREE : MADV_DONTNEED;
        memset(area, 'a' + round, 16 * PAGE);
        OK(advise(area + 4 * PAGE, 8 * PAGE, advice));
        uint64_t sum = 0;
        for (size_t i = 0; i < 16 * PAGE; i++)
            sum += (unsigned char)area[i];
        /* Whether freed memory keeps its content is the kernel's whim. */
        uint64_t kept = 8 * PAGE * (unsigned)('a' + round);
        CHECK(sum == kept || (advice == MADV_FREE && sum <= 2 * kept));
        FAILS(advise(area + 1, PAGE, advice), EINVAL);
        OK(advise(area, 0, advice));
    }
    /* A hole on the way: it is told, and what is behind it is given back all the same. */
    OK(munmap(area + 4 * PAGE, PAGE));
    for (int round = 0; round < ROUNDS; round++) {
        memset(area, 'x', 4 * PAGE);
        memset(area + 5 * PAGE, 'x', PAGE);
        FAILS(advise(area, 16 * PAGE, MADV_DONTNEED), ENOMEM);
        CHECK(area[0] == 0 && area[5 * PAGE] == 0);
    }
    /* Memory that is locked stops it half way, if it may be locked at all. */
    if (mlock(area + 8 * PAGE, PAGE) == 0)
        for (int round = 0; round < ROUNDS; round++) {
            memset(area + 5 * PAGE, 'x', 11 * PAGE);
            FAILS(advise(area + 5 * PAGE, 11 * PAGE, MADV_DONTNEED), EINVAL);
            CHECK(area[5 * PAGE] == 0 && area[8 * PAGE] == 'x' && area[9 * PAGE] == 'x');
        }
    /* A file's pages come back from the file, private changes are gone; the program's own code, too. */
    int fd = OK(open("file", O_RDWR | O_CREAT, 0600));
    CHECK_EQ(write(fd, "content", 7), 7);
    char *mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(mapped != MAP_FAILED);
    for (int round = 0; round < ROUNDS; round++) {
        mapped[0] = 'C';
        OK(advise(mapped, PAGE, MADV_DONTNEED));
        CHECK_EQ(mapped[0], 'c');
        OK(advise((void *)((uintptr_t)yields & -PAGE), PAGE, MADV_DONTNEED));
        yields();
    }
    say("memory");
}

int main(void) {
    OK(pipe(p));
    epoll = OK(epoll_create1(0));
    OK(epoll_ctl(epoll, EPOLL_CTL_ADD, p[0], &(struct epoll_event){.events = EPOLLIN, .data.u32 = 99}));
    waits();
    interrupted();
    refused();
    times();
    yielding();
    memory();
    return 0;
}
