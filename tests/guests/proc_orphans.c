/* Orphans go to the nearest subreaper, which reaps them; getppid changes when the parent dies. */
#include "guest.h"
#include <sys/prctl.h>

int main(void) {
    OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    int p[2];
    OK(pipe(p));
    pid_t middle = OK(fork());
    if (middle == 0) {
        pid_t parent = getpid(), orphan = OK(fork());
        if (orphan == 0) {
            while (getppid() == parent)
                sleep_ms(1);
            pid_t report[3] = {getpid(), parent, getppid()};
            write_all(p[1], report, sizeof report);
            _exit(8);
        }
        _exit(9);
    }
    expect_exit(middle, 9);
    pid_t report[3];
    read_exactly(p[0], report, sizeof report);
    say("orphan %d had parent %d and then %d", (int)report[0], (int)report[1], (int)report[2]);
    CHECK(report[1] == middle && report[2] == getpid());
    expect_exit(report[0], 8);
    FAILS(wait(NULL), ECHILD);
    return 0;
}
