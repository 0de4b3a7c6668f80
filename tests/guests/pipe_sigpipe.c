/* A process that writes to a pipe without readers dies of SIGPIPE; its parent sees it. */
#include "guest.h"

int main(void) {
    int p[2];
    OK(pipe(p));
    OK(close(p[0]));
    pid_t pid = OK(fork());
    if (pid == 0) {
        ssize_t n = write(p[1], "x", 1);
        say("not reached %zd", n);
        _exit(0);
    }
    expect_signal(pid, SIGPIPE);
    say("%d died of SIGPIPE", (int)pid);
    return 0;
}
