/* mprotect splits and merges maps; what each page allows is probed by faults. */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf out;
static void on_segv(int s) {
    (void)s;
    siglongjmp(out, 1);
}
static int readable(volatile char *p) {
    if (sigsetjmp(out, 1))
        return 0;
    (void)*p;
    return 1;
}
static int writable(volatile char *p) {
    if (sigsetjmp(out, 1))
        return 0;
    *p = *p;
    return 1;
}

static int lines(uintptr_t from, uintptr_t to) {
    FILE *f = fopen("/proc/self/maps", "r");
    CHECK(f);
    char line[500];
    int n = 0;
    unsigned long a, b;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%lx-%lx", &a, &b) == 2 && a < to && b > from)
            n++;
    fclose(f);
    return n;
}

int main(void) {
    signal(SIGSEGV, on_segv);
    char *p = OK(mmap(NULL, 12 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(!readable(p));
    /* Reserve, then commit pieces. */
    OK(mprotect(p, 10 * PAGE, PROT_READ | PROT_WRITE));
    memset(p, 7, 10 * PAGE);
    OK(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
    OK(mprotect(p + 4 * PAGE, PAGE, PROT_NONE));
    for (int i = 0; i < 12; i++) {
        int r = readable(p + (unsigned)i * PAGE), w = r && writable(p + (unsigned)i * PAGE);
        CHECK_EQ(r, i != 4 && i < 10);
        CHECK_EQ(w, i != 4 && i != 2 && i < 10);
    }
    CHECK(lines((uintptr_t)p, (uintptr_t)p + 12 * PAGE) >= 5);
    OK(mprotect(p, 10 * PAGE, PROT_READ | PROT_WRITE));
    for (unsigned i = 0; i < 10; i++)
        CHECK(p[i * PAGE + 9] == 7);
    FAILS(mprotect(p + 1, PAGE, PROT_READ), EINVAL);
    OK(munmap(p + 5 * PAGE, PAGE));
    FAILS(mprotect(p, 8 * PAGE, PROT_READ), ENOMEM);
    /* The pages before the gap were changed all the same. */
    CHECK(readable(p) && !writable(p) && writable(p + 6 * PAGE));
    say("maps in the range: %d at %p", lines((uintptr_t)p, (uintptr_t)p + 12 * PAGE), (void *)p);
    return 0;
}
