/* sigreturn with a changed context: registers, flags, instruction pointer and mask take effect. */
#include "guest.h"
#include <ucontext.h>

static volatile sig_atomic_t mode;
static void target(void);
static volatile sig_atomic_t arrived;

static void on_signal(int s, siginfo_t *info, void *context) {
    (void)s, (void)info;
    ucontext_t *u = context;
    greg_t *r = u->uc_mcontext.gregs;
    if (mode == 1) {
        r[REG_RAX] = 0x1111, r[REG_RBX] = 0x2222, r[REG_R12] = 0x3333, r[REG_EFL] |= 1;
        r[REG_RIP] += 2;
    } else if (mode == 2) {
        /* Calls target as if the interrupted instruction had. */
        r[REG_RSP] -= 8;
        *(greg_t *)r[REG_RSP] = r[REG_RIP] + 2;
        r[REG_RIP] = (greg_t)(uintptr_t)target;
    } else if (mode == 3) {
        sigaddset(&u->uc_sigmask, SIGUSR2);
    }
}

__attribute__((used)) static void target(void) {
    arrived++;
}

int main(void) {
    handle(SIGILL, on_signal, 0);
    handle(SIGUSR1, on_signal, 0);
    mode = 1;
    unsigned long rax = 0, rbx = 0, r12 = 0;
    unsigned char carry = 0;
    __asm__ volatile("xor %%eax, %%eax; clc; ud2; setc %3; mov %%rax, %0; mov %%rbx, %1; mov %%r12, %2"
                     : "=m"(rax), "=m"(rbx), "=m"(r12), "=m"(carry)
                     :
                     : "rax", "rbx", "r12", "cc", "memory");
    CHECK(rax == 0x1111 && rbx == 0x2222 && r12 == 0x3333 && carry == 1);
    mode = 2;
    __asm__ volatile("mov %%rsp, %%rbx; sub $128, %%rsp; and $-16, %%rsp; ud2; mov %%rbx, %%rsp"
                     : : : "rbx", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "memory");
    CHECK_EQ(arrived, 1);
    mode = 3;
    OK(raise(SIGUSR1));
    sigset_t mask;
    OK(sigprocmask(SIG_BLOCK, NULL, &mask));
    CHECK(sigismember(&mask, SIGUSR2));
    say("context changed, %#lx", (unsigned long)(uintptr_t)target);
    return 0;
}
