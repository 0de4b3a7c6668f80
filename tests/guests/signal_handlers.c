/* Handlers: siginfo of raise, kill, sigqueue and a child; masks during the handler; SA_ flags. */
#include "guest.h"

static siginfo_t last;
static volatile sig_atomic_t count, depth, deepest, masked, again;
static void on_signal(int s, siginfo_t *info, void *context) {
    (void)context;
    last = *info;
    count++;
    depth++;
    if (depth > deepest)
        deepest = depth;
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    masked = sigismember(&now, s) * 2 + sigismember(&now, SIGHUP);
    if (depth == 1 && s == SIGUSR2 && again-- > 0)
        raise(SIGUSR2);
    depth--;
}

int main(void) {
    struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO}, old;
    sigemptyset(&a.sa_mask);
    sigaddset(&a.sa_mask, SIGHUP);
    OK(sigaction(SIGUSR1, &a, &old));
    CHECK(old.sa_handler == SIG_DFL);
    OK(raise(SIGUSR1));
    CHECK(count == 1 && last.si_code == SI_TKILL && last.si_pid == getpid() && masked == 3);
    OK(kill(getpid(), SIGUSR1));
    CHECK(count == 2 && last.si_code == SI_USER && last.si_uid == getuid());
    union sigval v = {.sival_ptr = &last};
    OK(sigqueue(getpid(), SIGUSR1, v));
    CHECK(count == 3 && last.si_code == SI_QUEUE && last.si_value.sival_ptr == &last);

    a.sa_flags |= SA_NODEFER;
    sigemptyset(&a.sa_mask);
    OK(sigaction(SIGUSR2, &a, NULL));
    again = 1;
    OK(raise(SIGUSR2));
    CHECK(count == 5 && deepest == 2);
    a.sa_flags = SA_SIGINFO;
    deepest = 0;
    again = 1;
    OK(sigaction(SIGUSR2, &a, NULL));
    OK(raise(SIGUSR2));
    /* The second one is deferred to the handler's end and then handled at depth one again. */
    CHECK(count == 7 && deepest == 1);
    a.sa_flags = 0;
    a.sa_handler = SIG_IGN;
    OK(sigaction(SIGUSR2, &a, NULL));
    OK(raise(SIGUSR2));

    a.sa_sigaction = on_signal;
    a.sa_flags = SA_SIGINFO | (int)SA_RESETHAND;
    OK(sigaction(SIGTERM, &a, NULL));
    OK(raise(SIGTERM));
    OK(sigaction(SIGTERM, NULL, &old));
    CHECK(old.sa_handler == SIG_DFL);

    handle(SIGCHLD, on_signal, 0);
    count = 0;
    pid_t pid = OK(fork());
    if (pid == 0)
        _exit(77);
    while (!count)
        sleep_ms(1);
    CHECK(last.si_code == CLD_EXITED && last.si_status == 77 && last.si_pid == pid && last.si_uid == getuid());
    say("child %d: user %ld system %ld", last.si_pid, (long)last.si_utime, (long)last.si_stime);
    expect_exit(pid, 77);
    FAILS(sigaction(SIGKILL, &a, NULL), EINVAL);
    FAILS(sigaction(SIGSTOP, &a, NULL), EINVAL);
    FAILS(sigaction(65, &a, NULL), EINVAL);
    return 0;
}
