/* Maps at addresses the program chooses all over the space: hints, NOREPLACE, and MAP_FIXED where nothing is. */
#include "guest.h"

int main(void) {
    enum { RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };
    static const unsigned long places[] = {0x10000,        0x400000,       0x10000000,     0x6ffff000,     0x70000000,
                                           0x70001000,     0x7fff8000,     0x80000000,     0x100000000,    0x1000000000,
                                           0x10007fff8000, 0x200000000000, 0x555500000000, 0x600000000000, 0x7e0000000000};
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        void *at = (void *)places[i];
        /* A hint may be ignored; whatever comes is usable. */
        char *p = OK(mmap(at, PAGE, RW, ANON, -1, 0));
        p[0] = (char)i;
        say("hint %#lx: %p", places[i], (void *)p);
        OK(munmap(p, PAGE));
        char *q = mmap(at, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
        if (q == MAP_FAILED) {
            CHECK(errno == EEXIST || errno == EPERM);
            say("%#lx is taken", places[i]);
            continue;
        }
        CHECK(q == at && q[0] == 0);
        q[PAGE - 1] = 1;
        FAILS((long)mmap(at, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
        char *again = OK(mmap(at, PAGE, RW, ANON | MAP_FIXED, -1, 0));
        CHECK(again == q && q[PAGE - 1] == 0);
        OK(munmap(q, PAGE));
    }
    /* A reservation of most of the lower space, as address sanitizers and collectors make. */
    char *volatile huge = mmap(NULL, 1ul << 44, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    if (huge != MAP_FAILED) {
        OK(mprotect(huge + (1ul << 43), PAGE, RW));
        huge[1ul << 43] = 5;
        say("16 TiB at %p", (void *)huge);
        OK(munmap(huge, 1ul << 44));
    }
    return 0;
}
