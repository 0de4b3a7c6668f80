/* Guard pages, where the kernel has them: pages of a mapping that fault, and are empty again
 * when the guard is lifted. Locked pages that are dropped are empty, too. */
#include "guest.h"
#include <setjmp.h>

#define DONTNEED_LOCKED 24
#define GUARD_INSTALL 102
#define GUARD_REMOVE 103

static sigjmp_buf out;
static void on_segv(int s) {
    (void)s;
    siglongjmp(out, 1);
}
static int writable(volatile char *p) {
    if (sigsetjmp(out, 1))
        return 0;
    *p = *p;
    return 1;
}

int main(void) {
    signal(SIGSEGV, on_segv);
    char *m = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    memset(m, 7, 4 * PAGE);
    if (madvise(m, PAGE, GUARD_INSTALL) == 0) {
        say("guarded: %d %d", writable(m), writable(m + PAGE));
        CHECK(!writable(m) && writable(m + PAGE));
        OK(madvise(m, PAGE, GUARD_REMOVE));
        say("lifted: %d, with %d", writable(m), m[0]);
        CHECK(writable(m) && m[0] == 0);
    } else {
        CHECK_EQ(errno, EINVAL);
    }
    OK(mlock(m + 2 * PAGE, PAGE));
    FAILS(madvise(m + 2 * PAGE, PAGE, MADV_DONTNEED), EINVAL);
    CHECK_EQ(m[2 * PAGE], 7);
    if (madvise(m + 2 * PAGE, PAGE, DONTNEED_LOCKED) == 0) {
        say("dropped: %d", m[2 * PAGE]);
        CHECK_EQ(m[2 * PAGE], 0);
    } else {
        CHECK_EQ(errno, EINVAL);
    }
    return 0;
}
