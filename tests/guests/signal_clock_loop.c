/* A signal reaches a thread that makes no syscall but reads clocks all the time. */
#include "guest.h"
#include <sys/time.h>

static volatile sig_atomic_t ticks;
static void tick(int signal) { ticks++; (void)signal; }

static double now(void) {
    struct timespec t;
    OK(clock_gettime(CLOCK_MONOTONIC, &t));
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void) {
    struct sigaction action = {.sa_handler = tick};
    OK(sigaction(SIGALRM, &action, NULL));
    for (int i = 1; i <= 5; i++) {
        struct itimerval once = {{0, 0}, {0, 3000}};
        OK(setitimer(ITIMER_REAL, &once, NULL));
        double before = now();
        while (ticks < i)
            CHECK(now() >= before);
    }
    say("%d ticks", ticks);
    return 0;
}
