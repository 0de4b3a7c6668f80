/* Advice that fails in the midst of its range has been followed up to there, whatever made it fail. */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf out;
static void on_segv(int number) {
    (void)number;
    siglongjmp(out, 1);
}
static int there(volatile char *p) {
    if (sigsetjmp(out, 1))
        return 0;
    (void)*p;
    return 1;
}
static char *fresh(size_t pages) {
    char *p = OK(mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(p, 'm', pages * PAGE);
    return p;
}
static void shown(const char *what, long r, char *p, size_t pages) {
    int error = r ? errno : 0;
    char seen[32];
    for (size_t i = 0; i < pages; i++)
        seen[i] = there(p + i * PAGE) ? (p[i * PAGE] ? p[i * PAGE] : '0') : '-';
    seen[pages] = 0;
    say("%s: %d %s", what, error, seen);
}

int main(void) {
    enum { DONTNEED_LOCKED = 24, GUARD_INSTALL = 102, GUARD_REMOVE = 103 };
    signal(SIGSEGV, on_segv);
    static const int advices[] = {GUARD_INSTALL, MADV_DONTNEED, MADV_FREE, MADV_REMOVE, DONTNEED_LOCKED, GUARD_REMOVE};
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
        char name[32];
        snprintf(name, sizeof name, "advice %d", advices[i]);
        char *p = fresh(6);
        OK(mlock(p + 3 * PAGE, PAGE));
        shown(name, madvise(p, 6 * PAGE, advices[i]), p, 6);
        /* All of it unlocked, and again. */
        OK(munlock(p, 6 * PAGE));
        shown(name, madvise(p, 6 * PAGE, advices[i]), p, 6);
        /* A hole before what is locked. */
        p = fresh(6);
        OK(munmap(p + PAGE, PAGE));
        OK(mlock(p + 4 * PAGE, PAGE));
        shown(name, madvise(p, 6 * PAGE, advices[i]), p, 6);
        /* Locked from the first on, and from the last. */
        p = fresh(6);
        OK(mlock(p, PAGE));
        shown(name, madvise(p, 6 * PAGE, advices[i]), p, 6);
        shown(name, madvise(p + 1, 2 * PAGE, advices[i]), p, 6);
        p = fresh(6);
        OK(mlock(p + 5 * PAGE, PAGE));
        shown(name, madvise(p + PAGE, 5 * PAGE - 100, advices[i]), p, 6);
    }
    /* Shared memory, then private. */
    char *p = fresh(4);
    OK(mmap(p, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    memset(p, 's', 2 * PAGE);
    shown("remove", madvise(p, 4 * PAGE, MADV_REMOVE), p, 4);
    /* What a child finds wiped. */
    p = fresh(4);
    OK(mmap(p + 2 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    memset(p, 'w', 4 * PAGE);
    long r = madvise(p, 4 * PAGE, MADV_WIPEONFORK);
    int error = errno;
    pid_t pid = OK(fork());
    if (pid == 0) {
        errno = error;
        shown("wipe", r, p, 4);
        _exit(0);
    }
    expect_exit(pid, 0);
    return 0;
}
