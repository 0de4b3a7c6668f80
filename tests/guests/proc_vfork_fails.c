/* vfork whose child does not get to another program: failing execs, signals, changes of the parent's memory. */
#include "guest.h"
#include <sys/resource.h>

static volatile int shared, child_pid;

int main(void) {
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    char *const arguments[] = {(char *)"none", NULL};
    make_file("text", "no program", 10);
    OK(chmod("text", 0755));
    static const char *const paths[] = {"./absent", "./text", "/", "text/x"};
    for (volatile int i = 0; i < 4; i++) {
        pid_t pid = OK(vfork());
        if (pid == 0) {
            child_pid = getpid();
            execve(paths[i], arguments, environ);
            shared = errno;
            _exit(40 + i);
        }
        CHECK_EQ(pid, child_pid);
        say("exec of %s by %d: errno %d", paths[i], (int)pid, shared);
        expect_exit(pid, 40 + i);
    }
    /* One of several tries succeeds, as in execvp. */
    pid_t pid = OK(vfork());
    if (pid == 0) {
        execve("./absent", arguments, environ);
        execve("./text", arguments, environ);
        char *const real[] = {(char *)"true", NULL};
        execve("/bin/true", real, environ);
        _exit(1);
    }
    expect_exit(pid, 0);
    pid = OK(vfork());
    if (pid == 0) {
        shared = 1234;
        kill(getpid(), SIGKILL);
        _exit(1);
    }
    CHECK_EQ(shared, 1234);
    expect_signal(pid, SIGKILL);
    pid = OK(vfork());
    if (pid == 0)
        *(volatile int *)(uintptr_t)8 = 1;
    expect_signal(pid, SIGSEGV);
    /* A vfork in a vfork's child. */
    pid = OK(vfork());
    if (pid == 0) {
        pid_t inner = vfork();
        if (inner == 0)
            _exit(3);
        shared = inner;
        _exit(4);
    }
    expect_exit(pid, 4);
    say("inner child was %d", shared);
    return 0;
}
