/* Ids in namespaces: what the first process, its children and orphans see, and who init is to them. */
#include "../../guests/guest.h"

static int caught_from;
static void on_usr1(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    caught_from = info->si_pid;
}

static int exists(pid_t pid) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    return access(path, F_OK) == 0;
}

int main(void) {
    CHECK_EQ(getpid(), 2);
    CHECK_EQ(getppid(), 1);
    CHECK_EQ(syscall(SYS_gettid), 2);
    CHECK_EQ(getpgrp(), 2);
    CHECK_EQ(getsid(0), 2);
    char link[32];
    ssize_t length = OK(readlink("/proc/self", link, sizeof link - 1));
    link[length] = 0;
    CHECK_EQ(atoi(link), 2);
    CHECK(exists(1));

    /* The default action of a signal, which number 1 would not have. */
    pid_t victim = OK(fork());
    if (victim == 0)
        for (;;)
            pause();
    CHECK_EQ(victim, 3);
    OK(kill(victim, SIGTERM));
    expect_signal(victim, SIGTERM);
    handle(SIGUSR1, on_usr1, 0);
    OK(kill(getpid(), SIGUSR1));
    CHECK_EQ(caught_from, 2);

    /* Nothing from in here touches number 1. */
    OK(kill(1, SIGTERM));
    OK(kill(1, SIGKILL));
    CHECK(exists(1));

    /* An orphan goes to number 1, which waits for it. */
    int p[2];
    OK(pipe(p));
    pid_t middle = OK(fork());
    if (middle == 0) {
        pid_t parent = getpid();
        if (OK(fork()) == 0) {
            while (getppid() == parent)
                sleep_ms(1);
            pid_t report[2] = {getpid(), getppid()};
            write_all(p[1], report, sizeof report);
            _exit(5);
        }
        _exit(4);
    }
    expect_exit(middle, 4);
    pid_t orphan[2];
    read_exactly(p[0], orphan, sizeof orphan);
    CHECK_EQ(orphan[1], 1);
    for (int i = 0; exists(orphan[0]); i++) {
        CHECK(i < 5000);
        sleep_ms(1);
    }
    FAILS(kill(orphan[0], 0), ESRCH);

    /* All but this one and number 1. */
    pid_t others[3];
    for (int i = 0; i < 3; i++) {
        others[i] = OK(fork());
        if (others[i] == 0)
            for (;;)
                pause();
    }
    OK(kill(-1, SIGKILL));
    for (int i = 0; i < 3; i++)
        expect_signal(others[i], SIGKILL);
    CHECK(exists(1));
    FAILS(kill(-1, SIGKILL), ESRCH);
    say("orphan %d of %d, others %d %d %d", (int)orphan[0], (int)middle, (int)others[0], (int)others[1], (int)others[2]);
    return 11;
}
