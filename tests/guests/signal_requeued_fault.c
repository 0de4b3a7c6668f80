/* A crash handler sends the fault's siginfo to itself again: it looks like a fault and is none. */
#include "guest.h"
#include <sys/resource.h>

static volatile int handled, code;
static void *volatile address;

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    code = info->si_code;
    address = info->si_addr;
    handled = number;
}

static void crash_handler(int number, siginfo_t *info, void *context) {
    (void)context;
    say("crash %d code %d at %p", number, info->si_code, info->si_addr);
    signal(number, SIG_DFL);
    OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), number, info));
}

int main(void) {
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    handle(SIGSEGV, on_signal, 0);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = SIGSEGV;
    info.si_code = SEGV_MAPERR;
    info.si_addr = (void *)(uintptr_t)0x12345678;
    OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGSEGV, &info));
    CHECK(handled == SIGSEGV && code == SEGV_MAPERR && address == info.si_addr);
    handled = 0;
    info.si_signo = SIGUSR1;
    info.si_code = 77;
    handle(SIGUSR1, on_signal, 0);
    OK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info));
    CHECK(handled == SIGUSR1 && code == 77);
    pid_t pid = OK(fork());
    if (pid == 0) {
        handle(SIGSEGV, crash_handler, 0);
        *(volatile int *)(uintptr_t)0x10 = 1;
        _exit(1);
    }
    expect_signal(pid, SIGSEGV);
    pid = OK(fork());
    if (pid == 0) {
        /* Blocked: the kernel does not ask, and kills. */
        handle(SIGSEGV, on_signal, 0);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGSEGV);
        OK(sigprocmask(SIG_BLOCK, &set, NULL));
        *(volatile int *)(uintptr_t)0x10 = 1;
        _exit(1);
    }
    expect_signal(pid, SIGSEGV);
    pid = OK(fork());
    if (pid == 0) {
        signal(SIGSEGV, SIG_IGN);
        *(volatile int *)(uintptr_t)0x10 = 1;
        _exit(1);
    }
    expect_signal(pid, SIGSEGV);
    pid = OK(fork());
    if (pid == 0) {
        /* An ordinary kill with SIGSEGV, SIGBUS, SIGTRAP and SIGILL is no fault. */
        int numbers[] = {SIGSEGV, SIGBUS, SIGTRAP, SIGILL, SIGFPE};
        for (int i = 0; i < 5; i++) {
            handle(numbers[i], on_signal, 0);
            OK(kill(getpid(), numbers[i]));
            CHECK(handled == numbers[i] && code == SI_USER);
        }
        _exit(0);
    }
    expect_exit(pid, 0);
    return 0;
}
