/* A tree of forks three levels deep; every process reports and is reaped by its own parent. */
#include "guest.h"

static int grow(int depth) {
    int total = 1;
    pid_t children[3];
    if (depth == 0)
        return total;
    for (int i = 0; i < 3; i++) {
        children[i] = OK(fork());
        if (children[i] == 0)
            _exit(grow(depth - 1));
    }
    for (int i = 0; i < 3; i++) {
        int status;
        CHECK_EQ(waitpid(children[i], &status, 0), children[i]);
        CHECK(WIFEXITED(status));
        total += WEXITSTATUS(status);
    }
    say("%d children of %d, parent %d, total %d", 3, (int)getpid(), (int)getppid(), total);
    return total;
}

int main(void) {
    CHECK_EQ(grow(3), 40);
    return 0;
}
