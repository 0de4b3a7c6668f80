/* The trap flag: the program steps through its own code, system calls included. */
#include "guest.h"
#include <ucontext.h>

static volatile long traps, codes, addresses;

static void on_trap(int number, siginfo_t *info, void *context) {
    (void)number;
    ucontext_t *c = (ucontext_t *)context;
    traps++;
    codes += info->si_code;
    addresses = addresses * 31 + (c->uc_mcontext.gregs[REG_RIP] & 0xfff);
}

__attribute__((noinline)) static long stepped(long n) {
    long r = n;
    __asm__ volatile("pushfq\n\t orq $0x100, (%%rsp)\n\t popfq\n\t"
                     "add $1, %0\n\t add $2, %0\n\t add $3, %0\n\t"
                     "pushfq\n\t andq $~0x100, (%%rsp)\n\t popfq\n\t"
                     : "+r"(r)
                     :
                     : "cc", "memory");
    return r;
}

__attribute__((noinline)) static long stepped_call(void) {
    long r = SYS_getpid;
    __asm__ volatile("pushfq\n\t orq $0x100, (%%rsp)\n\t popfq\n\t"
                     "nop\n\t syscall\n\t nop\n\t nop\n\t"
                     "pushfq\n\t andq $~0x100, (%%rsp)\n\t popfq\n\t"
                     : "+a"(r)
                     :
                     : "rcx", "r11", "cc", "memory");
    return r;
}

int main(void) {
    handle(SIGTRAP, on_trap, 0);
    CHECK_EQ(stepped(10), 16);
    CHECK(traps >= 5 && traps <= 7);
    CHECK_EQ(codes, traps * TRAP_TRACE);
    say("%ld traps, addresses %lx", traps, addresses);
    traps = 0;
    CHECK_EQ(stepped_call(), getpid());
    CHECK(traps >= 4 && traps <= 9);
    say("%ld traps around a call, addresses %lx, pid %d", traps, addresses, (int)getpid());
    return 0;
}
