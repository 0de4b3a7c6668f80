/* Blocking, pending, sigsuspend, sigtimedwait, sigwaitinfo, and coalescing of standard signals. */
#include "guest.h"

static volatile sig_atomic_t hits;
static void on_signal(int s) {
    (void)s;
    hits++;
}

int main(void) {
    signal(SIGUSR1, on_signal);
    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    OK(sigprocmask(SIG_BLOCK, &set, &old));
    for (int i = 0; i < 3; i++)
        OK(raise(SIGUSR1));
    CHECK_EQ(hits, 0);
    OK(sigpending(&pending));
    CHECK(sigismember(&pending, SIGUSR1) == 1 && sigismember(&pending, SIGUSR2) == 0);
    FAILS(sigsuspend(&old), EINTR);
    CHECK_EQ(hits, 1);
    OK(sigpending(&pending));
    CHECK(!sigismember(&pending, SIGUSR1));
    struct timespec t = {0, 3000000};
    siginfo_t info;
    FAILS(sigtimedwait(&set, &info, &t), EAGAIN);
    OK(kill(getpid(), SIGUSR1));
    CHECK_EQ(sigtimedwait(&set, &info, &t), SIGUSR1);
    CHECK(info.si_signo == SIGUSR1 && info.si_pid == getpid() && info.si_code == SI_USER);
    CHECK_EQ(hits, 1);
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(sigpending(&pending));
        CHECK(!sigismember(&pending, SIGUSR1));
        sleep_ms(3);
        OK(kill(getppid(), SIGUSR1));
        _exit(0);
    }
    CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
    CHECK_EQ(info.si_pid, pid);
    expect_exit(pid, 0);
    OK(raise(SIGUSR1));
    OK(sigprocmask(SIG_SETMASK, &old, NULL));
    CHECK_EQ(hits, 2);
    /* Ignoring discards what is pending. */
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    OK(raise(SIGUSR1));
    signal(SIGUSR1, SIG_IGN);
    OK(sigpending(&pending));
    CHECK(!sigismember(&pending, SIGUSR1));
    /* KILL and STOP cannot be blocked. */
    sigfillset(&set);
    OK(sigprocmask(SIG_SETMASK, &set, NULL));
    OK(sigprocmask(SIG_SETMASK, NULL, &old));
    CHECK(!sigismember(&old, SIGKILL) && !sigismember(&old, SIGSTOP) && sigismember(&old, SIGTERM));
    FAILS(sigprocmask(77, &set, NULL), EINVAL);
    FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4), EINVAL);
    say("child %d", (int)pid);
    return 0;
}
