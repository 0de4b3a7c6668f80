/* Signals that end, stop, continue or are ignored by default, sent from outside to a blocked child. */
#include "guest.h"
#include <sys/resource.h>

static pid_t blocked_child(void) {
    pid_t pid = OK(fork());
    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

int main(void) {
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    for (int s = 1; s <= 31; s++) {
        pid_t pid = blocked_child();
        OK(kill(pid, s));
        int status;
        switch (s) {
        case SIGCHLD:
        case SIGURG:
        case SIGWINCH:
        case SIGCONT:
            sleep_ms(1);
            CHECK_EQ(waitpid(pid, &status, WNOHANG | WUNTRACED), 0);
            OK(kill(pid, SIGKILL));
            expect_signal(pid, SIGKILL);
            break;
        case SIGSTOP:
            CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
            CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == s);
            OK(kill(pid, SIGKILL));
            expect_signal(pid, SIGKILL);
            break;
        case SIGTSTP:
        case SIGTTIN:
        case SIGTTOU:
            /* Does nothing if the group is orphaned, which is the caller's affair. */
            OK(kill(pid, SIGKILL));
            expect_signal(pid, SIGKILL);
            break;
        default:
            expect_signal(pid, s);
        }
    }
    say("thirty-one signals");
    return 0;
}
