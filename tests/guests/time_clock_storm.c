/* Clock reads interrupted by a fast timer whose handler reads clocks itself, jumps away, or switches stacks. */
#include "guest.h"
#include <setjmp.h>
#include <sys/time.h>

static volatile sig_atomic_t ticks, jump;
static sigjmp_buf out;
static volatile uint64_t last_in_handler;

static uint64_t read_clock(int kind) {
    struct timespec t;
    struct timeval v;
    switch (kind % 4) {
    case 0:
        OK(clock_gettime(CLOCK_MONOTONIC, &t));
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    case 1:
        OK(clock_gettime(CLOCK_REALTIME, &t));
        return (uint64_t)t.tv_sec;
    case 2:
        OK(gettimeofday(&v, NULL));
        return (uint64_t)v.tv_sec;
    default:
        return (uint64_t)time(NULL);
    }
}

static void on_alarm(int number, siginfo_t *info, void *context) {
    (void)number, (void)info, (void)context;
    ticks++;
    uint64_t now = read_clock(0);
    CHECK(now >= last_in_handler);
    last_in_handler = now;
    read_clock(ticks);
    if (jump && ticks % 3 == 0)
        siglongjmp(out, 1);
}

static void *reader(void *argument) {
    uint64_t last = 0, sum = 0;
    for (int i = 0; i < 2000; i++) {
        uint64_t now = read_clock(0);
        CHECK(now >= last);
        last = now;
        sum = sum * 31 + read_clock(i);
    }
    *(uint64_t *)argument = sum;
    return NULL;
}

int main(void) {
    static char stack[65536];
    stack_t s = {.ss_sp = stack, .ss_size = sizeof stack};
    OK(sigaltstack(&s, NULL));
    handle(SIGALRM, on_alarm, SA_ONSTACK | SA_RESTART);
    struct itimerval every = {{0, 1000}, {0, 1000}}, none = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &every, NULL));
    uint64_t last = 0, sum = 0;
    volatile int count = 0;
    while (ticks < 30) {
        uint64_t now = read_clock(0);
        CHECK(now >= last);
        last = now;
        sum += read_clock(count++);
    }
    /* Out of the handler, and so out of whatever it interrupted. */
    jump = 1;
    volatile int jumps = 0;
    if (sigsetjmp(out, 1))
        jumps++;
    while (ticks < 90 || jumps < 10)
        read_clock(count++);
    jump = 0;
    pthread_t threads[3];
    uint64_t sums[3];
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&threads[i], NULL, reader, &sums[i]));
    for (int i = 0; i < 3; i++)
        ZERO(pthread_join(threads[i], NULL));
    OK(setitimer(ITIMER_REAL, &none, NULL));
    say("%d ticks, %d jumps, sums %016lx %016lx", (int)ticks, jumps, (unsigned long)sum,
        (unsigned long)(sums[0] ^ sums[1] * 3 ^ sums[2] * 7));
    return 0;
}
