/* madvise: DONTNEED, FREE, WILLNEED, HUGEPAGE, REMOVE, POPULATE, COLD, and what is left in memory. */
#include "guest.h"

int main(void) {
    enum { N = 8 };
    char *p = OK(mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(p, 1, N * PAGE);
    OK(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED));
    CHECK(p[0] == 1 && p[PAGE] == 0 && p[3 * PAGE - 1] == 0 && p[3 * PAGE] == 1);
    int r = madvise(p + 4 * PAGE, PAGE, MADV_FREE);
    char freed = p[4 * PAGE];
    say("MADV_FREE %d, then %d", r, freed);
    CHECK(freed == 0 || freed == 1);
    p[4 * PAGE] = 5;
    CHECK(p[4 * PAGE] == 5);
    OK(madvise(p, N * PAGE, MADV_WILLNEED));
    OK(madvise(p, N * PAGE, MADV_NORMAL));
    r = madvise(p, N * PAGE, MADV_HUGEPAGE);
    say("hugepage %d", r);
    r = madvise(p, N * PAGE, 20);
    say("cold %d", r);
    FAILS(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
    FAILS(madvise(p, PAGE, 9999), EINVAL);
    OK(munmap(p + 2 * PAGE, PAGE));
    FAILS(madvise(p, N * PAGE, MADV_DONTNEED), ENOMEM);

    int fd = OK(memfd_create("removed", 0));
    OK(ftruncate(fd, (off_t)(4 * PAGE)));
    char *m = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    memset(m, 3, 4 * PAGE);
    OK(madvise(m, 4 * PAGE, MADV_DONTNEED));
    CHECK(m[0] == 3);
    OK(madvise(m + PAGE, PAGE, MADV_REMOVE));
    CHECK(m[PAGE] == 0 && m[2 * PAGE] == 3);
    char c;
    CHECK(pread(fd, &c, 1, (off_t)PAGE) == 1 && c == 0);
    /* DONTNEED on a private file map brings the file's bytes back. */
    char *q = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, (off_t)(2 * PAGE)));
    q[0] = 9;
    OK(madvise(q, PAGE, MADV_DONTNEED));
    CHECK_EQ(q[0], 3);
    return 0;
}
