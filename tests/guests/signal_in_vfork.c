/* Signals to a parent that waits in vfork arrive after the child has gone. */
#include "guest.h"

static volatile sig_atomic_t hits;
static void on_signal(int s) {
    (void)s;
    hits++;
}

int main(void) {
    signal(SIGUSR1, on_signal);
    pid_t me = getpid();
    for (int i = 0; i < 3; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            syscall(SYS_kill, me, SIGUSR1);
            /* Handlers run in the parent, which does not run yet. */
            int early = hits != i;
            _exit(early ? 1 : 6);
        }
        CHECK(pid > 0);
        expect_exit(pid, 6);
        CHECK_EQ(hits, i + 1);
    }
    say("three signals for %d", (int)me);
    return 0;
}
