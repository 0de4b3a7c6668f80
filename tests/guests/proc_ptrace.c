/* The program traces its own child: allowed, or refused with an error that it handles. */
#include "guest.h"
#include <sys/ptrace.h>

int main(void) {
    pid_t pid = OK(fork());
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(errno == EPERM ? 81 : 82);
        raise(SIGSTOP);
        _exit(80);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    if (WIFSTOPPED(status)) {
        CHECK_EQ(WSTOPSIG(status), SIGSTOP);
        long r = ptrace(PTRACE_CONT, pid, NULL, NULL);
        if (r != 0)
            OK(kill(pid, SIGCONT));
        CHECK_EQ(waitpid(pid, &status, 0), pid);
    }
    CHECK(WIFEXITED(status));
    say("the child said %d", WEXITSTATUS(status));
    CHECK(WEXITSTATUS(status) == 80 || WEXITSTATUS(status) == 81);
    return 0;
}
