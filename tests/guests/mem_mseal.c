/* mseal: a sealed range keeps its protection and its place; its content may change. map_shadow_stack, set_mempolicy. */
#include "guest.h"

int main(void) {
    char *p = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    long r = syscall(462, p + PAGE, PAGE, 0);
    say("mseal %ld", r < 0 ? (long)-errno : r);
    if (r == 0) {
        FAILS(munmap(p + PAGE, PAGE), EPERM);
        FAILS(munmap(p, 4 * PAGE), EPERM);
        FAILS(mprotect(p, 2 * PAGE, PROT_READ), EPERM);
        FAILS((long)mremap(p + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EPERM);
        FAILS((long)mmap(p + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EPERM);
        /* The page before the sealed one was changed before the call failed. */
        OK(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
        memset(p, 's', 2 * PAGE);
        CHECK(p[PAGE + 5] == 's');
        pid_t pid = OK(fork());
        if (pid == 0) {
            FAILS(munmap(p + PAGE, PAGE), EPERM);
            p[PAGE] = 'c';
            _exit(0);
        }
        expect_exit(pid, 0);
        CHECK(p[PAGE] == 's');
        OK(munmap(p + 2 * PAGE, 2 * PAGE));
    } else {
        CHECK(errno == ENOSYS);
    }
    r = syscall(453, 0, PAGE, 0);
    say("map_shadow_stack %s", r == -1 ? "refused" : "works");
    char *q = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    unsigned long nodes = 1;
    r = syscall(SYS_mbind, q, PAGE, 1, &nodes, 64, 0);
    say("mbind %ld", r < 0 ? (long)-errno : r);
    int status = -1;
    void *page = q;
    *q = 1;
    r = syscall(SYS_move_pages, 0, 1, &page, NULL, &status, 0);
    say("move_pages %ld, status %d, at %p", r < 0 ? (long)-errno : r, status, page);
    return 0;
}
