/* A handler without a stack to run on, and a signal frame that is none: the kernel answers with SIGSEGV. */
#include "guest.h"
#include <sys/resource.h>

static void nothing(int number) { (void)number; }

static char alternate[65536];
static volatile int handled;
static void on_alternate(int number) {
    handled = number;
    say("handled %d on the alternate stack", number);
    _exit(5);
}

int main(void) {
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    pid_t pid = OK(fork());
    if (pid == 0) {
        signal(SIGUSR1, nothing);
        long me = getpid();
        /* The stack pointer points to nowhere while the signal comes. */
        __asm__ volatile("mov $0x1000, %%rsp\n\t syscall\n\t ud2"
                         :
                         : "a"((long)SYS_kill), "D"(me), "S"((long)SIGUSR1)
                         : "rcx", "r11", "memory");
        __builtin_unreachable();
    }
    expect_signal(pid, SIGSEGV);
    pid = OK(fork());
    if (pid == 0) {
        /* No stack, but an alternate one. */
        stack_t s = {.ss_sp = alternate, .ss_flags = 0, .ss_size = sizeof alternate};
        OK(sigaltstack(&s, NULL));
        struct sigaction a = {.sa_handler = on_alternate, .sa_flags = SA_ONSTACK};
        OK(sigaction(SIGUSR1, &a, NULL));
        long me = getpid();
        __asm__ volatile("xor %%esp, %%esp\n\t syscall\n\t ud2"
                         :
                         : "a"((long)SYS_kill), "D"(me), "S"((long)SIGUSR1)
                         : "rcx", "r11", "memory");
        __builtin_unreachable();
    }
    expect_exit(pid, 5);
    pid = OK(fork());
    if (pid == 0) {
        /* The fault's own handler has no stack either. */
        signal(SIGSEGV, nothing);
        __asm__ volatile("mov $0x1000, %%rsp\n\t push %%rax" : : : "memory");
        _exit(1);
    }
    expect_signal(pid, SIGSEGV);
    pid = OK(fork());
    if (pid == 0) {
        syscall(SYS_rt_sigreturn);
        _exit(1);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    say("a return from no handler ends with signal %d", WTERMSIG(status));
    pid = OK(fork());
    if (pid == 0) {
        /* A system call needs no stack at all. */
        long saved, got;
        __asm__ volatile("mov %%rsp, %0\n\t xor %%esp, %%esp\n\t syscall\n\t mov %0, %%rsp"
                         : "=&b"(saved), "=a"(got)
                         : "a"((long)SYS_getpid)
                         : "rcx", "r11", "memory");
        CHECK_EQ(got, getpid());
        say("pid %ld without a stack", got);
        _exit(0);
    }
    expect_exit(pid, 0);
    return 0;
}
