/* Process groups and sessions: setpgid rules, kill to a group, setsid refusals. */
#include "guest.h"

static volatile sig_atomic_t got;
static void on_signal(int s) {
    got = s;
}

int main(void) {
    signal(SIGUSR1, on_signal);
    int ready[2];
    OK(pipe(ready));
    pid_t group[3];
    for (int i = 0; i < 3; i++) {
        group[i] = OK(fork());
        if (group[i] == 0) {
            OK(setpgid(0, i == 0 ? 0 : group[0]));
            sigset_t block, none;
            sigemptyset(&none);
            sigemptyset(&block);
            sigaddset(&block, SIGUSR1);
            OK(sigprocmask(SIG_BLOCK, &block, NULL));
            write_all(ready[1], "r", 1);
            while (!got)
                sigsuspend(&none);
            _exit(getpgrp() == (i == 0 ? getpid() : group[0]) ? 40 + i : 1);
        }
        char c;
        read_exactly(ready[0], &c, 1);
    }
    CHECK_EQ(getpgid(group[2]), group[0]);
    CHECK_EQ(getsid(group[1]), getsid(0));
    OK(kill(-group[0], SIGUSR1));
    CHECK_EQ(got, 0);
    for (int i = 0; i < 3; i++)
        expect_exit(group[i], 40 + i);
    FAILS(killpg(group[0], 0), ESRCH);
    FAILS(setpgid(getpid(), 999999), EPERM);
    pid_t pid = OK(fork());
    if (pid == 0) {
        pid_t me = OK(setsid());
        CHECK(me == getpid() && getpgrp() == me && getsid(0) == me);
        FAILS(setsid(), EPERM);
        FAILS(setpgid(0, 0), EPERM);
        got = 0;
        OK(kill(0, SIGUSR1));
        CHECK_EQ(got, SIGUSR1);
        _exit(50);
    }
    expect_exit(pid, 50);
    say("group %d", (int)group[0]);
    return 0;
}
