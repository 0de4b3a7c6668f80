/* A profiler: signals by CPU time, each of which finds an instruction and a depth of the stack. */
#include "guest.h"
#include <sys/time.h>
#include <ucontext.h>

#define SIGNALS 20
/* Well above what 20 signals need: a machine may count CPU time coarsely. */
#define ENOUGH 200000

static volatile sig_atomic_t signals, shallow;
static volatile uint64_t depth;
static uint64_t places, depths;
static uintptr_t base;

static void tick(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (signals == SIGNALS)
        return;
    uint64_t used = base - (uint64_t)r[REG_RSP];
    if (depth == 0)
        shallow++;
    else
        CHECK(used < 1 << 16);
    places = places * 31 + (uint64_t)r[REG_RIP] - (uint64_t)(uintptr_t)tick;
    depths = depths * 31 + used * 64 + depth;
    signals++;
}

/* Goes up to 20 calls deep, and computes at every depth. */
__attribute__((noinline)) static uint64_t computes(uint64_t x, uint64_t left) {
    depth++;
    for (int i = 0; i < 50; i++)
        x = x >> 63 ? x * 6364136223846793005ull + 1 : x * 3935559000370003845ull + 7;
    if (left > 0)
        x ^= computes(x, left - 1) >> 3;
    depth--;
    return x;
}

int main(void) {
    alarm(60);
    base = (uintptr_t)__builtin_frame_address(0);
    handle(SIGPROF, tick, SA_RESTART);
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_PROF, &often, NULL));
    uint64_t x = 1;
    long rounds = 0;
    while (signals < SIGNALS && rounds < ENOUGH) {
        x = computes(x, x >> 32 & 15);
        rounds++;
    }
    OK(setitimer(ITIMER_PROF, &never, NULL));
    CHECK_EQ(depth, 0);
    say("%d signals in %ld rounds, %d outside, at %016lx, depths %016lx, computed %016lx", (int)signals, rounds, (int)shallow,
        (unsigned long)places, (unsigned long)depths, (unsigned long)x);
    return 0;
}
