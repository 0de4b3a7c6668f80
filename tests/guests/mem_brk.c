/* brk and sbrk grow and shrink; fresh memory is zero, and what is given back is gone. */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf out;
static void on_segv(int s) {
    (void)s;
    siglongjmp(out, 1);
}

int main(void) {
    char *start = OK(sbrk(0));
    char *block = OK(sbrk(100000));
    CHECK(block == start);
    for (int i = 0; i < 100000; i++)
        CHECK_EQ(block[i], 0);
    fill(block, 100000, 5);
    OK(brk(start + 300000));
    CHECK(block[250000] == 0);
    CHECK_EQ(syscall(SYS_brk, 0), (uintptr_t)start + 300000);
    /* The system call answers with the old break when it refuses. */
    CHECK_EQ(syscall(SYS_brk, 8), (uintptr_t)start + 300000);
    OK(brk(start + PAGE));
    signal(SIGSEGV, on_segv);
    if (sigsetjmp(out, 1) == 0) {
        *(volatile char *)(start + 200000) = 1;
        CHECK(0);
    }
    OK(brk(start + 200000));
    for (long i = 3 * (long)PAGE; i < 200000; i++)
        CHECK_EQ(start[i], 0);
    say("break at %p", (void *)start);
    return 0;
}
