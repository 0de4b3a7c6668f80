/* SIGCHLD: ignored means reaped automatically; SA_NOCLDWAIT, SA_NOCLDSTOP; stop and continue codes. */
#include "guest.h"

static volatile sig_atomic_t count;
static int codes[16], statuses[16];
static void on_child(int s, siginfo_t *info, void *context) {
    (void)s, (void)context;
    if (count < 16) {
        codes[count] = info->si_code;
        statuses[count] = info->si_status;
    }
    count++;
}

static void until(int n) {
    while (count < n)
        sleep_ms(1);
    CHECK_EQ(count, n);
}

/* Whoever waits hears of the end before the id is gone. */
static void until_gone(pid_t pid) {
    while (kill(pid, 0) == 0)
        sleep_ms(1);
    CHECK_EQ(errno, ESRCH);
}

int main(void) {
    signal(SIGCHLD, SIG_IGN);
    pid_t pid = OK(fork());
    if (pid == 0)
        _exit(1);
    FAILS(waitpid(pid, NULL, 0), ECHILD);
    until_gone(pid);
    handle(SIGCHLD, on_child, SA_NOCLDWAIT);
    pid = OK(fork());
    if (pid == 0)
        _exit(2);
    FAILS(waitpid(pid, NULL, 0), ECHILD);
    until(1);
    CHECK(codes[0] == CLD_EXITED && statuses[0] == 2);

    handle(SIGCHLD, on_child, 0);
    count = 0;
    pid = OK(fork());
    if (pid == 0)
        for (;;)
            pause();
    OK(kill(pid, SIGSTOP));
    until(1);
    CHECK(codes[0] == CLD_STOPPED && statuses[0] == SIGSTOP);
    OK(kill(pid, SIGCONT));
    until(2);
    CHECK(codes[1] == CLD_CONTINUED && statuses[1] == SIGCONT);
    OK(kill(pid, SIGKILL));
    until(3);
    CHECK(codes[2] == CLD_KILLED && statuses[2] == SIGKILL);
    expect_signal(pid, SIGKILL);

    handle(SIGCHLD, on_child, SA_NOCLDSTOP);
    count = 0;
    pid = OK(fork());
    if (pid == 0)
        for (;;)
            pause();
    OK(kill(pid, SIGSTOP));
    int status;
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK_EQ(count, 0);
    OK(kill(pid, SIGKILL));
    until(1);
    expect_signal(pid, SIGKILL);
    say("last child %d", (int)pid);
    return 0;
}
