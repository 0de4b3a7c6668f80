/* SIGFPE, SIGILL, SIGTRAP, SIGBUS with their codes and addresses, and stepping over the instruction. */
#include "guest.h"
#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf out;
static volatile sig_atomic_t got, code, skip;
static void *volatile address;
static volatile uintptr_t instruction;

static void on_fault(int s, siginfo_t *info, void *context) {
    ucontext_t *u = context;
    got = s;
    code = info->si_code;
    address = info->si_addr;
    instruction = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
    if (skip) {
        u->uc_mcontext.gregs[REG_RIP] += skip;
        return;
    }
    if (s != SIGTRAP)
        siglongjmp(out, 1);
}

int main(void) {
    handle(SIGFPE, on_fault, 0);
    handle(SIGILL, on_fault, 0);
    handle(SIGTRAP, on_fault, 0);
    handle(SIGBUS, on_fault, 0);
    volatile int zero = 0, one = 1;
    if (sigsetjmp(out, 1) == 0) {
        one = one / zero;
        CHECK(0);
    }
    CHECK(got == SIGFPE && code == FPE_INTDIV && (uintptr_t)address == instruction);
    if (sigsetjmp(out, 1) == 0) {
        __asm__ volatile("ud2");
        CHECK(0);
    }
    CHECK(got == SIGILL && code == ILL_ILLOPN && (uintptr_t)address == instruction);
    __asm__ volatile("int3");
    CHECK(got == SIGTRAP && code == SI_KERNEL);
    skip = 2;
    int steps = 0;
    for (int i = 0; i < 10; i++) {
        __asm__ volatile("ud2");
        steps++;
    }
    CHECK_EQ(steps, 10);
    skip = 0;
    /* The trap flag: one signal per instruction while it is set. */
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; pushfq; andq $~0x100, (%%rsp); popfq; nop"
                     : : : "memory", "cc");
    CHECK(got == SIGTRAP && code == TRAP_TRACE);

    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    OK(ftruncate(fd, 100));
    char *map = OK(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    map[50] = 1;
    if (sigsetjmp(out, 1) == 0) {
        *(volatile char *)(map + PAGE + 7) = 1;
        CHECK(0);
    }
    CHECK(got == SIGBUS && code == BUS_ADRERR && address == map + PAGE + 7);
    /* Repaired by making the file longer, then the same access works. */
    OK(ftruncate(fd, (off_t)(3 * PAGE)));
    map[PAGE + 7] = 2;
    CHECK_EQ(map[PAGE + 7], 2);
    say("map at %p", (void *)map);
    return 0;
}
