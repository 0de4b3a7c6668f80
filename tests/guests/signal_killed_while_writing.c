/* A process is killed, or stopped, by its own timer in the middle of a computation in shared memory: how far it got is seen. */
#include "guest.h"
#include <sys/time.h>

int main(void) {
    volatile unsigned long *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pid_t pid = OK(fork());
    if (pid == 0) {
        while (p[0] <= 1000)
            p[0]++;
        struct itimerval soon = {{0, 0}, {0, 20000}};
        OK(setitimer(ITIMER_REAL, &soon, NULL));
        for (;;)
            p[0]++;
    }
    expect_signal(pid, SIGALRM);
    CHECK(p[0] > 1000);
    say("it counted to %lu", p[0]);
    return 0;
}
