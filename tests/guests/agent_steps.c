/* Single steps over calls, through code whose calls do not stop: each instruction once, and none that is not
 * there. */
#include "guest.h"
#include <sys/ucontext.h>

static volatile unsigned long seen[256];
static volatile int count;
static void on_trap(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    ucontext_t *uc = context;
    if (count < 256)
        seen[count++] = (unsigned long)uc->uc_mcontext.gregs[REG_RIP];
}

extern const char first[], second[], third[], end[];
__attribute__((noinline)) static long steps(int stepping) {
    long result, flags = stepping ? 0x100 : 0;
    __asm__ volatile("pushfq\n\t"
                     "or %1, (%%rsp)\n\t"
                     "popfq\n\t"
                     "nop\n"
                     "first: mov $39, %%eax\n\t"
                     "syscall\n"
                     "second: lea 0(%%rax), %%rdx\n\t"
                     "mov $110, %%eax\n\t"
                     "syscall\n"
                     "third: sub %%rax, %%rdx\n\t"
                     "pushfq\n\t"
                     "andq $-257, (%%rsp)\n\t"
                     "popfq\n"
                     "end: nop\n\t"
                     : "=&d"(result)
                     : "r"(flags)
                     : "rax", "rcx", "r11", "memory", "cc");
    return result;
}

int main(void) {
    handle(SIGTRAP, on_trap, 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(steps(0), getpid() - getppid());
    for (int round = 0; round < 5; round++) {
        count = 0;
        CHECK_EQ(steps(1), getpid() - getppid());
        int steps_seen = count;
        CHECK(steps_seen > 5 && steps_seen < 20);
        unsigned long start = seen[0];
        for (int i = 0; i < steps_seen; i++) {
            CHECK(seen[i] >= start && seen[i] <= (unsigned long)end);
            CHECK(i == 0 || seen[i] > seen[i - 1]);
        }
        say("%d steps", steps_seen);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(steps(0), getpid() - getppid());
    }
    return 0;
}
