/* Standard output and error in turns, from a process and its child; one dup2'ed onto the other. */
#include "guest.h"

int main(void) {
    for (int i = 0; i < 20; i++) {
        dprintf(1, "out %d\n", i);
        dprintf(2, "err %d\n", i);
    }
    pid_t pid = OK(fork());
    if (pid == 0) {
        dprintf(1, "out of child %d\n", (int)getpid());
        dprintf(2, "err of child %d\n", (int)getpid());
        _exit(0);
    }
    expect_exit(pid, 0);
    int keep = OK(dup(1));
    OK(dup2(2, 1));
    dprintf(1, "stdout is stderr now\n");
    OK(dup2(keep, 1));
    OK(dup2(keep, 2));
    dprintf(2, "stderr is stdout now\n");
    OK(close(1));
    OK(close(2));
    dprintf(keep, "through the copy\n");
    return 0;
}
