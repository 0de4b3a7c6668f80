/* A signal waits for a process whose slice is over when it makes its next syscall: what it stored in shared memory up to there is
 * seen by the other process when that was recorded, and no earlier. */
#include "guest.h"
#include <sys/time.h>

#define ROUNDS 20
/* Longer than a slice of 10 ms. */
#define STEPS 60000000

static volatile sig_atomic_t ticks;
static void tick(int signal) { ticks++; (void)signal; }

static void works(volatile unsigned long *p) {
    struct sigaction action = {.sa_handler = tick};
    OK(sigaction(SIGALRM, &action, NULL));
    struct itimerval often = {{0, 3000}, {0, 3000}}, never = {0};
    OK(setitimer(ITIMER_REAL, &often, NULL));
    for (int i = 0; i < ROUNDS; i++) {
        for (int step = 0; step < STEPS; step++)
            p[0]++;
        OK(getppid());
    }
    OK(setitimer(ITIMER_REAL, &never, NULL));
    CHECK(ticks > 0);
    p[1] = 1;
    exit(0);
}

int main(void) {
    volatile unsigned long *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pid_t pid = OK(fork());
    if (pid == 0)
        works(p);
    unsigned long sum = 0, looks = 0;
    while (!p[1]) {
        sum = sum * 31 + p[0];
        looks++;
        OK(sched_yield());
    }
    expect_exit(pid, 0);
    say("seen after %lu looks: %lu, in the end %lu", looks, sum, p[0]);
    return 0;
}
