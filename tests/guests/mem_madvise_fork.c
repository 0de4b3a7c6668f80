/* MADV_DONTFORK, MADV_WIPEONFORK and their undoing, seen from the child. */
#include "guest.h"

int main(void) {
    char *p = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(p, 6, 4 * PAGE);
    OK(madvise(p, PAGE, MADV_DONTFORK));
    OK(madvise(p + PAGE, PAGE, MADV_WIPEONFORK));
    OK(madvise(p + 2 * PAGE, PAGE, MADV_WIPEONFORK));
    OK(madvise(p + 2 * PAGE, PAGE, MADV_KEEPONFORK));
    pid_t pid = OK(fork());
    if (pid == 0) {
        unsigned char v;
        FAILS(mincore(p, PAGE, &v), ENOMEM);
        CHECK(p[PAGE] == 0 && p[2 * PAGE - 1] == 0);
        CHECK(p[2 * PAGE] == 6 && p[3 * PAGE] == 6);
        p[PAGE] = 1;
        say("child sees a wiped page");
        _exit(0);
    }
    expect_exit(pid, 0);
    CHECK(p[0] == 6 && p[PAGE] == 6);
    OK(madvise(p, PAGE, MADV_DOFORK));
    pid = OK(fork());
    if (pid == 0)
        _exit(p[0]);
    expect_exit(pid, 6);
    return 0;
}
