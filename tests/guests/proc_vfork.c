/* vfork: the parent stands until the child exits or execs, and they share memory. */
#include "guest.h"

static volatile int shared;

int main(int argc, char **argv) {
    if (argc > 1) {
        say("exec'ed image, %s, ppid ok %d", argv[1], getppid() > 0);
        return 6;
    }
    pid_t pid = vfork();
    if (pid == 0) {
        shared = 42;
        _exit(5);
    }
    CHECK(pid > 0 && shared == 42);
    expect_exit(pid, 5);
    pid = vfork();
    if (pid == 0) {
        char *const arguments[] = {argv[0], (char *)"after vfork", NULL};
        execv("/proc/self/exe", arguments);
        _exit(99);
    }
    CHECK(pid > 0);
    expect_exit(pid, 6);
    /* An exec that fails leaves the child to exit. */
    pid = vfork();
    if (pid == 0) {
        char *const arguments[] = {(char *)"nothing", NULL};
        execv("./nothing", arguments);
        shared = errno;
        _exit(127);
    }
    expect_exit(pid, 127);
    CHECK_EQ(shared, ENOENT);
    /* Killed in the vfork child. */
    pid = vfork();
    if (pid == 0) {
        kill(getpid(), SIGKILL);
        _exit(1);
    }
    expect_signal(pid, SIGKILL);
    say("last child %d", (int)pid);
    return 0;
}
