/* Signals that come in the midst of calls that do not stop: at a high rate, nested, left by jumps, raised by
 * the call itself, stopping, on another stack, while two threads are at it. */
#include "guest.h"
#include <poll.h>
#include <setjmp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

static int null, zero;
static volatile sig_atomic_t count, depth, deepest;
static volatile unsigned long sum;

static long interval = 300;
static volatile int in_vain;
static volatile unsigned long last_sum;

/* Where a handler takes longer than the time to the next signal, nothing else would ever be executed. */
static void slow_down_if_in_vain(void) {
    in_vain = sum == last_sum ? in_vain + 1 : 0;
    last_sum = sum;
    if (in_vain < 50)
        return;
    in_vain = 0;
    interval *= 2;
    struct itimerval slower = {{0, interval}, {0, interval}};
    OK(setitimer(ITIMER_REAL, &slower, NULL));
}

static void calls_in_handler(int number) {
    int saved = errno;
    char bytes[16];
    count++;
    if (number == SIGALRM)
        slow_down_if_in_vain();
    if (read(zero, bytes, sizeof bytes) != 16 || write(null, bytes, 16) != 16 || getppid() <= 0)
        _exit(77);
    if (read(-1, bytes, 1) != -1 || errno != EBADF)
        _exit(78);
    errno = saved;
}

static void work(int rounds) {
    char bytes[64];
    for (int i = 0; i < rounds; i++) {
        unsigned long before = sum;
        CHECK_EQ(read(zero, bytes, sizeof bytes), 64);
        sum = before + 1;
        CHECK_EQ(write(null, bytes, (size_t)(i % 60)), i % 60);
        FAILS(read(-2, bytes, 1), EBADF);
        CHECK_EQ(lseek(zero, 0, SEEK_CUR), 0);
        struct pollfd p = {zero, POLLIN, 0};
        CHECK_EQ(poll(&p, 1, 0), 1);
    }
}

static void storm(int flags) {
    handle(SIGALRM, (void (*)(int, siginfo_t *, void *))(void *)calls_in_handler, flags);
    struct itimerval fast = {{0, interval}, {0, interval}}, off = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &fast, NULL));
    sum = 0;
    work(3000);
    OK(setitimer(ITIMER_REAL, &off, NULL));
    CHECK_EQ(sum, 3000);
}

/* From another thread, to this one. */
static volatile int going;
static void *shoots(void *argument) {
    pthread_t target = *(pthread_t *)argument;
    for (int i = 0; going; i++) {
        int r = pthread_kill(target, i & 1 ? SIGUSR1 : SIGUSR2);
        CHECK(r == 0 || r == EAGAIN);
        char c;
        CHECK_EQ(read(zero, &c, 1), 1);
        if (i % 16 == 0)
            sched_yield();
    }
    return NULL;
}

static void nests(int number) {
    depth++;
    if (depth > deepest)
        deepest = depth;
    calls_in_handler(number);
    depth--;
}

static void shot_at(void) {
    struct sigaction action = {.sa_handler = nests, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    OK(sigaction(SIGUSR1, &action, NULL)), OK(sigaction(SIGUSR2, &action, NULL));
    pthread_t self = pthread_self(), thread;
    going = 1;
    ZERO(pthread_create(&thread, NULL, shoots, &self));
    sum = 0;
    for (int i = 0; i < 10; i++) {
        work(100);
        sched_yield();
    }
    going = 0;
    ZERO(pthread_join(thread, NULL));
    CHECK_EQ(sum, 1000);
    CHECK_EQ(depth, 0);
}

/* Out of a handler by a jump, again and again. */
static sigjmp_buf back;
static volatile int may_jump;
static void jumps(int number) {
    (void)number;
    char c;
    if (read(zero, &c, 1) != 1)
        _exit(79);
    if (may_jump) {
        may_jump = 0;
        siglongjmp(back, 1);
    }
}

static void jumped(void) {
    signal(SIGALRM, jumps);
    struct itimerval fast = {{0, 500}, {0, 500}}, off = {{0, 0}, {0, 0}};
    volatile int jumps_seen = 0;
    OK(setitimer(ITIMER_REAL, &fast, NULL));
    while (jumps_seen < 20) {
        if (sigsetjmp(back, 1)) {
            jumps_seen++;
            continue;
        }
        may_jump = 1;
        for (;;) {
            char c[8];
            CHECK_EQ(read(zero, c, 8), 8);
            CHECK_EQ(write(null, c, 8), 8);
        }
    }
    may_jump = 0;
    OK(setitimer(ITIMER_REAL, &off, NULL));
}

/* Raised by the call: the handler has run when it returns. */
static volatile int got;
static void notes(int number) {
    char c;
    if (read(zero, &c, 1) != 1)
        _exit(80);
    got = number;
}

static void raised(void) {
    int s[2], p[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s)), OK(pipe2(p, O_NONBLOCK));
    signal(SIGPIPE, notes), signal(SIGXFSZ, notes), signal(SIGURG, notes), signal(SIGIO, notes), signal(SIGUSR1, notes);
    for (int i = 0; i < 3; i++)
        CHECK(write(s[0], "x", 1) == 1 && write(p[1], "x", 1) == 1);
    OK(close(s[1])), OK(close(p[0]));
    for (int i = 0; i < 5; i++) {
        got = 0;
        FAILS(write(s[0], "x", 1), EPIPE);
        CHECK_EQ(got, SIGPIPE);
        got = 0;
        FAILS(write(p[1], "x", 1), EPIPE);
        CHECK_EQ(got, SIGPIPE);
        got = 0;
        ZERO(raise(SIGUSR1));
        CHECK_EQ(got, SIGUSR1);
    }
    OK(close(s[0])), OK(close(p[1]));
    struct rlimit former, limit;
    OK(getrlimit(RLIMIT_FSIZE, &former));
    limit = former, limit.rlim_cur = 100;
    int fd = OK(open("limited", O_RDWR | O_CREAT, 0600));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
    OK(setrlimit(RLIMIT_FSIZE, &limit));
    for (int i = 0; i < 3; i++) {
        got = 0;
        FAILS(pwrite(fd, "x", 1, 100), EFBIG);
        CHECK_EQ(got, SIGXFSZ);
    }
    OK(setrlimit(RLIMIT_FSIZE, &former));
    OK(close(fd));
    /* SIGIO to oneself, by a write that makes the other end readable. */
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    OK(fcntl(s[1], F_SETOWN, getpid()));
    OK(fcntl(s[1], F_SETFL, O_ASYNC | O_NONBLOCK));
    for (int i = 0; i < 5; i++) {
        char c;
        got = 0;
        CHECK_EQ(write(s[0], "x", 1), 1);
        CHECK_EQ(got, SIGIO);
        CHECK_EQ(read(s[1], &c, 1), 1);
    }
    OK(close(s[0])), OK(close(s[1]));
}

/* A child stops and continues its parent while two threads of that are at work. */
static void *works(void *argument) {
    int rounds = *(int *)argument;
    char bytes[512], copy[512];
    int fd = OK(open("shared", O_RDWR | O_CREAT, 0600));
    for (int i = 0; i < rounds; i++) {
        fill(bytes, sizeof bytes, (unsigned)(i + rounds));
        off_t at = (off_t)rounds * 512;
        CHECK_EQ(pwrite(fd, bytes, sizeof bytes, at), sizeof bytes);
        CHECK_EQ(pread(fd, copy, sizeof copy, at), sizeof copy);
        CHECK(memcmp(bytes, copy, sizeof bytes) == 0);
    }
    OK(close(fd));
    return NULL;
}

static void stopped(void) {
    static int rounds[3] = {600, 601, 602};
    pid_t parent = getpid(), pid = OK(fork());
    if (pid == 0) {
        for (int i = 0; i < 25; i++) {
            OK(kill(parent, SIGSTOP));
            sleep_ms(1);
            OK(kill(parent, SIGCONT));
            sleep_ms(1);
        }
        _exit(0);
    }
    pthread_t threads[2];
    ZERO(pthread_create(&threads[0], NULL, works, &rounds[0]));
    ZERO(pthread_create(&threads[1], NULL, works, &rounds[1]));
    works(&rounds[2]);
    ZERO(pthread_join(threads[0], NULL));
    ZERO(pthread_join(threads[1], NULL));
    expect_exit(pid, 0);
}

/* Handlers on a stack of their own, for a thread whose own stack is at its end. */
static volatile int on_other;
static char other_stack[65536];
static void deep(int number) {
    char here;
    on_other = &here > other_stack && &here < other_stack + sizeof other_stack;
    calls_in_handler(number);
}

static void overflows(int number, siginfo_t *info, void *context) {
    (void)number, (void)info, (void)context;
    char c;
    if (read(zero, &c, 1) != 1 || write(null, &c, 1) != 1)
        _exit(81);
    _exit(44);
}

static int recurse(int n) {
    volatile char room[512];
    char c;
    room[0] = (char)n;
    if (read(zero, &c, 1) != 1)
        return 0;
    return recurse(n + 1) + room[0];
}

static void stacks(void) {
    stack_t s = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
    OK(sigaltstack(&s, NULL));
    handle(SIGALRM, (void (*)(int, siginfo_t *, void *))(void *)deep, SA_ONSTACK);
    struct itimerval fast = {{0, interval}, {0, interval}}, off = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &fast, NULL));
    sum = 0, on_other = 0;
    while (!on_other)
        work(10);
    OK(setitimer(ITIMER_REAL, &off, NULL));
    pid_t pid = OK(fork());
    if (pid == 0) {
        struct rlimit small = {256 << 10, RLIM_INFINITY};
        OK(setrlimit(RLIMIT_STACK, &small));
        handle(SIGSEGV, overflows, SA_ONSTACK);
        _exit(recurse(0) != 0);
    }
    expect_exit(pid, 44);
}

/* Ends in the midst: by others and by itself. */
static void ends(void) {
    for (int i = 0; i < 6; i++) {
        int signals[] = {SIGTERM, SIGKILL, SIGABRT, SIGSEGV, SIGQUIT, SIGUSR1};
        signal(SIGUSR1, SIG_DFL);
        int ready[2];
        OK(pipe(ready));
        pid_t pid = OK(fork());
        if (pid == 0) {
            struct rlimit none = {0, 0};
            setrlimit(RLIMIT_CORE, &none);
            CHECK_EQ(write(ready[1], "r", 1), 1);
            for (;;)
                work(1);
        }
        char c;
        CHECK_EQ(read(ready[0], &c, 1), 1);
        sleep_ms(3);
        OK(kill(pid, signals[i]));
        expect_signal(pid, signals[i]);
        OK(close(ready[0])), OK(close(ready[1]));
    }
}

int main(void) {
    null = OK(open("/dev/null", O_RDWR)), zero = OK(open("/dev/zero", O_RDWR));
    work(3);
    storm(0);
    storm(SA_RESTART);
    storm(SA_NODEFER);
    shot_at();
    jumped();
    raised();
    stacks();
    stopped();
    ends();
    say("%d signals, %d deep", count > 0, deepest > 0);
    return 0;
}
