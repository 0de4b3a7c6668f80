/* Guard regions by madvise, where the kernel has them; DONTNEED of locked memory; COLLAPSE, PAGEOUT, POPULATE. */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf out;
static void on_segv(int number) {
    (void)number;
    siglongjmp(out, 1);
}
static int readable(volatile char *p) {
    if (sigsetjmp(out, 1))
        return 0;
    (void)*p;
    return 1;
}

int main(void) {
    enum { GUARD_INSTALL = 102, GUARD_REMOVE = 103, DONTNEED_LOCKED = 24, COLLAPSE = 25, PAGEOUT = 21, POPULATE_WRITE = 23 };
    signal(SIGSEGV, on_segv);
    char *p = OK(mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(p, 'g', 16 * PAGE);
    long r = madvise(p + 4 * PAGE, 4 * PAGE, GUARD_INSTALL);
    say("guard %ld", r ? -errno : 0l);
    if (r == 0) {
        CHECK(readable(p + 3 * PAGE) && !readable(p + 4 * PAGE) && !readable(p + 7 * PAGE) && readable(p + 8 * PAGE));
        pid_t pid = OK(fork());
        if (pid == 0)
            _exit(readable(p + 5 * PAGE) ? 1 : 2);
        expect_exit(pid, 2);
        OK(madvise(p + 5 * PAGE, PAGE, GUARD_REMOVE));
        CHECK(!readable(p + 4 * PAGE) && readable(p + 5 * PAGE) && p[5 * PAGE] == 0 && !readable(p + 6 * PAGE));
        /* DONTNEED leaves guards where they are. */
        OK(madvise(p, 8 * PAGE, MADV_DONTNEED));
        CHECK(p[0] == 0 && !readable(p + 6 * PAGE));
        p[5 * PAGE] = 'x';
    } else {
        CHECK_EQ(errno, EINVAL);
    }
    char *q = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(q, 'l', 4 * PAGE);
    if (mlock(q, 2 * PAGE) == 0) {
        FAILS(madvise(q, 4 * PAGE, MADV_DONTNEED), EINVAL);
        int kept = q[0] == 'l';
        r = madvise(q, 4 * PAGE, DONTNEED_LOCKED);
        say("locked: kept %d, then %ld, %d", kept, r ? -errno : 0l, q[0]);
    }
    say("pageout %d, populate %d, collapse %d", madvise(q, 4 * PAGE, PAGEOUT) ? errno : 0,
        madvise(q, 4 * PAGE, POPULATE_WRITE) ? errno : 0, madvise(q, 4 * PAGE, COLLAPSE) ? errno : 0);
    say("%016lx at %p", (unsigned long)hash(q, 4 * PAGE), (void *)p);
    return 0;
}
