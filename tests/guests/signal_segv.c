/* SIGSEGV: address and code, recovery by siglongjmp and by mprotect with a retry; NULL, wild, read-only. */
#include "guest.h"
#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf out;
static volatile sig_atomic_t code, repairs, trap, mode;
static void *volatile address;

static void on_segv(int s, siginfo_t *info, void *context) {
    (void)s;
    ucontext_t *u = context;
    address = info->si_addr;
    code = info->si_code;
    trap = (sig_atomic_t)u->uc_mcontext.gregs[REG_TRAPNO];
    if (mode == 1) {
        repairs++;
        void *page = (void *)((uintptr_t)info->si_addr & ~(PAGE - 1));
        OK(mprotect(page, PAGE, PROT_READ | PROT_WRITE));
        return;
    }
    siglongjmp(out, 1);
}

int main(void) {
    handle(SIGSEGV, on_segv, 0);
    volatile int *volatile wild = (volatile int *)0x10;
    if (sigsetjmp(out, 1) == 0) {
        *wild = 1;
        CHECK(0);
    }
    CHECK(address == (void *)0x10 && code == SEGV_MAPERR && trap == 14);
    char *pages = OK(mmap(NULL, 8 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (sigsetjmp(out, 1) == 0) {
        *(volatile char *)(pages + 5) = 1;
        CHECK(0);
    }
    CHECK(address == pages + 5 && code == SEGV_ACCERR);
    /* A non-canonical address has no address in its report. */
    volatile int *volatile weird = (volatile int *)0x8000000000000000ul;
    if (sigsetjmp(out, 1) == 0) {
        *weird = 1;
        CHECK(0);
    }
    CHECK(address == NULL && code == SI_KERNEL);
    /* A jump to nowhere. */
    void (*volatile nowhere)(void) = (void (*)(void))0x3000;
    if (sigsetjmp(out, 1) == 0) {
        nowhere();
        CHECK(0);
    }
    CHECK(address == (void *)0x3000);
    mode = 1;
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 3; k++)
            *(volatile char *)(pages + i * PAGE + (unsigned)k * 100) = (char)(i + k);
    CHECK_EQ(repairs, 8);
    OK(mprotect(pages, 8 * PAGE, PROT_NONE));
    CHECK_EQ(*(volatile char *)(pages + 3 * PAGE + 200), 5);
    CHECK_EQ(repairs, 9);
    /* The kernel does not fault for us: it says EFAULT. */
    OK(mprotect(pages, 8 * PAGE, PROT_NONE));
    int p[2];
    OK(pipe(p));
    FAILS(write(p[1], pages, 10), EFAULT);
    CHECK_EQ(repairs, 9);
    say("pages at %p", (void *)pages);
    return 0;
}
