/* A timer's signals in a loop that makes no calls: the handler changes what the loop computes, and sees every register. */
#include "guest.h"
#include <sys/time.h>
#include <ucontext.h>

#define SIGNALS 50

static volatile uint64_t x = 1, ones, others, steps;
static volatile sig_atomic_t signals;
static uint64_t places, registers;

static void tick(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (signals == SIGNALS)
        return;
    CHECK(ones + others - steps <= 1);
    x ^= steps * 0x9e3779b97f4a7c15ull;
    places = places * 31 + (uint64_t)r[REG_RIP] - (uint64_t)(uintptr_t)tick;
    /* From r8 to rip, and the arithmetic flags. */
    registers = registers * 31 + hash(r, (REG_RIP + 1) * sizeof *r) + ((uint64_t)r[REG_EFL] & 0xcd5);
    signals++;
}

int main(void) {
    limits_time();
    handle(SIGALRM, tick, SA_RESTART);
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &often, NULL));
    while (signals < SIGNALS) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        if (x >> 63)
            ones++;
        else
            others++;
        steps++;
    }
    OK(setitimer(ITIMER_REAL, &never, NULL));
    CHECK_EQ(ones + others, steps);
    say("%lu steps, %lu ones, result %016lx, at %016lx with %016lx", (unsigned long)steps, (unsigned long)ones, (unsigned long)x,
        (unsigned long)places, (unsigned long)registers);
    return 0;
}
