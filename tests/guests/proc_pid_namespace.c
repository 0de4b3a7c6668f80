/* A PID namespace: its first process has number 1 inside and another one outside, orphans come to it, its end ends all. */
#include "guest.h"
#include <sys/prctl.h>

static void inside(int report) {
    CHECK_EQ(getpid(), 1);
    CHECK_EQ(getppid(), 0);
    CHECK_EQ(syscall(SYS_gettid), 1);
    pid_t child = OK(fork());
    if (child == 0) {
        CHECK_EQ(getpid(), 2);
        CHECK_EQ(getppid(), 1);
        pid_t orphan = OK(fork());
        if (orphan == 0) {
            while (getppid() == 2)
                sleep_ms(1);
            CHECK_EQ(getppid(), 1);
            _exit(33);
        }
        CHECK_EQ(orphan, 3);
        _exit(22);
    }
    CHECK_EQ(child, 2);
    expect_exit(2, 22);
    expect_exit(3, 33);
    /* Signals without a handler do not touch number 1. */
    OK(kill(1, SIGTERM));
    /* These stay until the namespace ends. */
    for (int i = 0; i < 2; i++)
        if (OK(fork()) == 0)
            for (;;)
                pause();
    siginfo_t info;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    pid_t sender = OK(fork());
    if (sender == 0) {
        OK(kill(1, SIGUSR1));
        _exit(0);
    }
    CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
    CHECK_EQ(info.si_pid, sender);
    expect_exit(sender, 0);
    say("inside: sender %d", (int)sender);
    char byte = 'd';
    write_all(report, &byte, 1);
    _exit(9);
}

int main(void) {
    /* In a child, because there is no way back. */
    pid_t starter = OK(fork());
    if (starter == 0) {
        if (unshare(CLONE_NEWPID) != 0) {
            say("no namespace, errno %d", errno);
            CHECK(errno == EPERM || errno == EINVAL || errno == ENOSPC);
            _exit(0);
        }
        int p[2];
        OK(pipe(p));
        pid_t pid = OK(fork());
        if (pid == 0)
            inside(p[1]);
        CHECK(pid > 2);
        CHECK(getppid() > 1 || getppid() == 1);
        char byte;
        OK(close(p[1]));
        CHECK_EQ(read(p[0], &byte, 1), 1);
        /* The pipe's other end is closed when the last process in there is gone. */
        CHECK_EQ(read(p[0], &byte, 1), 0);
        expect_exit(pid, 9);
        say("outside its number is %d", (int)pid);
        FAILS(fork(), ENOMEM);
        _exit(0);
    }
    expect_exit(starter, 0);
    return 0;
}
