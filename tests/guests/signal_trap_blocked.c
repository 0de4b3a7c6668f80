/* Instructions whose results are the machine's own, while the signals are blocked or ignored that they have nothing to do with. */
#include "guest.h"
#include <immintrin.h>
#include <setjmp.h>
#include <time.h>

static volatile int handled, code;
static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    code = info->si_code;
    handled = number;
}
static sigjmp_buf back;
static void on_fault(int number) {
    handled = number;
    siglongjmp(back, 1);
}

static uint64_t rdtsc(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static uint64_t numbers(void) {
    unsigned long long number = 0;
    uint64_t sum = rdtsc();
    if (__builtin_cpu_supports("rdrnd"))
        while (!_rdrand64_step(&number)) ;
    struct timespec t;
    /* More than are answered without the supervisor. */
    for (int i = 0; i < 600; i++)
        ZERO(clock_gettime(CLOCK_MONOTONIC, &t));
    return sum + number + (uint64_t)t.tv_nsec;
}

static const int signals[] = {SIGSEGV, SIGILL, SIGTRAP, SIGBUS, SIGFPE};
enum { COUNT = sizeof signals / sizeof *signals };

static uint64_t masked(void) {
    sigset_t set;
    OK(sigprocmask(SIG_BLOCK, NULL, &set));
    uint64_t bits = 0;
    for (int i = 1; i < 65; i++)
        if (sigismember(&set, i) == 1)
            bits |= 1ull << (i - 1);
    return bits;
}

static void *thread(void *unused) {
    (void)unused;
    uint64_t before = masked();
    say("thread %lx", (unsigned long)numbers());
    CHECK_EQ(masked(), before);
    return NULL;
}

int main(void) {
    sigset_t all, old;
    sigfillset(&all);
    /* Blocked, nothing else. */
    OK(sigprocmask(SIG_BLOCK, &all, &old));
    uint64_t before = masked();
    say("%lx", (unsigned long)numbers());
    CHECK_EQ(masked(), before);
    /* Blocked, and caught. */
    for (int i = 0; i < COUNT; i++)
        handle(signals[i], on_signal, SA_RESTART);
    say("%lx", (unsigned long)numbers());
    CHECK_EQ(masked(), before);
    for (int i = 0; i < COUNT; i++) {
        struct sigaction now;
        OK(sigaction(signals[i], NULL, &now));
        CHECK(now.sa_sigaction == on_signal && now.sa_flags & SA_RESTART);
        OK(kill(getpid(), signals[i]));
    }
    /* Pending already. */
    say("%lx", (unsigned long)numbers());
    CHECK_EQ(masked(), before);
    CHECK_EQ(handled, 0);
    for (int i = 0; i < COUNT; i++) {
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, signals[i]);
        OK(sigprocmask(SIG_UNBLOCK, &one, NULL));
        CHECK(handled == signals[i] && code == SI_USER);
    }
    handled = 0;
    /* Pending for this thread alone: the kernel gives it in place of its own. */
    OK(sigprocmask(SIG_SETMASK, &all, NULL));
    for (int i = 0; i < COUNT; i++)
        OK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signals[i]));
    say("%lx", (unsigned long)numbers());
    say("%lx", (unsigned long)numbers());
    CHECK_EQ(masked(), before);
    CHECK_EQ(handled, 0);
    for (int i = 0; i < COUNT; i++) {
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, signals[i]);
        OK(sigprocmask(SIG_UNBLOCK, &one, NULL));
        CHECK(handled == signals[i] && code == SI_TKILL);
    }
    handled = 0;
    OK(sigprocmask(SIG_SETMASK, &all, NULL));
    pthread_t t;
    ZERO(pthread_create(&t, NULL, thread, NULL));
    ZERO(pthread_join(t, NULL));
    OK(sigprocmask(SIG_SETMASK, &old, NULL));
    /* A real fault still finds its handler. */
    signal(SIGSEGV, on_fault);
    OK(sigprocmask(SIG_BLOCK, &all, NULL));
    say("%lx", (unsigned long)numbers());
    OK(sigprocmask(SIG_SETMASK, &old, NULL));
    if (!sigsetjmp(back, 1))
        *(volatile int *)(uintptr_t)0x10 = 1;
    CHECK_EQ(handled, SIGSEGV);
    /* Ignored. */
    for (int i = 0; i < COUNT; i++)
        signal(signals[i], SIG_IGN);
    say("%lx", (unsigned long)numbers());
    OK(sigprocmask(SIG_BLOCK, &all, NULL));
    say("%lx", (unsigned long)numbers());
    OK(sigprocmask(SIG_SETMASK, &old, NULL));
    for (int i = 0; i < COUNT; i++) {
        struct sigaction now;
        OK(sigaction(signals[i], NULL, &now));
        CHECK(now.sa_handler == SIG_IGN);
        OK(kill(getpid(), signals[i]));
    }
    return 0;
}
