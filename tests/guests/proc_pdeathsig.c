/* PR_SET_PDEATHSIG: the grandchild gets its signal when its parent dies. */
#include "guest.h"
#include <sys/prctl.h>

static volatile sig_atomic_t got, from;
static void on_death(int s, siginfo_t *info, void *context) {
    (void)context;
    got = s;
    from = info->si_pid;
}

int main(void) {
    OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    int p[2], armed[2];
    OK(pipe(p));
    OK(pipe(armed));
    pid_t middle = OK(fork());
    if (middle == 0) {
        pid_t inner = OK(fork());
        if (inner == 0) {
            handle(SIGUSR2, on_death, 0);
            sigset_t block, none;
            sigemptyset(&none);
            sigemptyset(&block);
            sigaddset(&block, SIGUSR2);
            OK(sigprocmask(SIG_BLOCK, &block, NULL));
            OK(prctl(PR_SET_PDEATHSIG, SIGUSR2));
            write_all(armed[1], "a", 1);
            while (!got)
                sigsuspend(&none);
            int report[2] = {getpid(), from};
            write_all(p[1], report, sizeof report);
            _exit(0);
        }
        char c;
        read_exactly(armed[0], &c, 1);
        _exit(5);
    }
    expect_exit(middle, 5);
    int report[2];
    read_exactly(p[0], report, sizeof report);
    expect_exit(report[0], 0);
    say("signal came from %d, parent was %d", report[1], (int)middle);
    return 0;
}
