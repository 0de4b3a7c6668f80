/* A timer's handler leaves by siglongjmp, out of a loop that has no other end, again and again. */
#include "guest.h"
#include <setjmp.h>
#include <sys/time.h>
#include <ucontext.h>

#define JUMPS 20

static volatile uint64_t x = 1, odd, steps;
static volatile sig_atomic_t jumps;
static sigjmp_buf out;
static uint64_t states;

static void tick(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (jumps == JUMPS)
        return;
    uint64_t state[] = {x, odd, steps, (uint64_t)r[REG_RIP] - (uint64_t)(uintptr_t)tick};
    states = states * 31 + hash(state, sizeof state);
    jumps++;
    siglongjmp(out, 1);
}

/* What is half done when the signal comes stays so: the next loop begins with it. */
__attribute__((noinline, noreturn)) static void computes(void) {
    for (;;) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        if (x >> 63)
            odd++;
        steps++;
    }
}

int main(void) {
    limits_time();
    handle(SIGALRM, tick, SA_RESTART);
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    if (sigsetjmp(out, 1) == 0)
        OK(setitimer(ITIMER_REAL, &often, NULL));
    if (jumps < JUMPS)
        computes();
    OK(setitimer(ITIMER_REAL, &never, NULL));
    sigset_t set;
    OK(sigprocmask(SIG_BLOCK, NULL, &set));
    CHECK(!sigismember(&set, SIGALRM));
    CHECK_EQ(jumps, JUMPS);
    CHECK(odd <= steps + JUMPS);
    say("%lu steps, %lu odd, %016lx, states %016lx", (unsigned long)steps, (unsigned long)odd, (unsigned long)x,
        (unsigned long)states);
    return 0;
}
