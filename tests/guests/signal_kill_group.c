/* kill(0), kill(-pgid), kill(-1) never used; signals to dead, zombie and absent processes. */
#include "guest.h"

static volatile sig_atomic_t hits;
static void on_signal(int s) {
    (void)s;
    hits++;
}

int main(void) {
    OK(setpgid(0, 0) == 0 || errno == EPERM ? 0 : -1);
    signal(SIGUSR1, on_signal);
    int ready[2];
    OK(pipe(ready));
    pid_t pids[3];
    sigset_t block, none;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    OK(sigprocmask(SIG_BLOCK, &block, NULL));
    for (int i = 0; i < 3; i++) {
        pids[i] = OK(fork());
        if (pids[i] == 0) {
            if (i == 2)
                OK(setpgid(0, 0));
            write_all(ready[1], "r", 1);
            while (!hits)
                sigsuspend(&none);
            _exit(20 + i);
        }
    }
    char c[3];
    read_exactly(ready[0], c, 3);
    OK(kill(0, SIGUSR1));
    expect_exit(pids[0], 20);
    expect_exit(pids[1], 21);
    sigset_t pending;
    OK(sigpending(&pending));
    CHECK(sigismember(&pending, SIGUSR1));
    OK(sigprocmask(SIG_UNBLOCK, &block, NULL));
    CHECK_EQ(hits, 1);
    CHECK_EQ(waitpid(pids[2], NULL, WNOHANG), 0);
    OK(killpg(pids[2], SIGUSR1));
    siginfo_t info;
    OK(waitid(P_PID, (id_t)pids[2], &info, WEXITED | WNOWAIT));
    OK(kill(pids[2], SIGUSR1));
    expect_exit(pids[2], 22);
    FAILS(kill(pids[2], SIGUSR1), ESRCH);
    FAILS(kill(-pids[2], 0), ESRCH);
    FAILS(kill(getpid(), 99), EINVAL);
    say("children %d %d %d", (int)pids[0], (int)pids[1], (int)pids[2]);
    return 0;
}
