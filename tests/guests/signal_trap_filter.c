/* The same as signal_trap_blocked, under a filter that forbids what puts it right, over exec, for once, and in children. */
#include "guest.h"
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

static volatile int handled;
static void on_signal(int number) { handled = number; }

static uint64_t numbers(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    struct timespec t;
    ZERO(clock_gettime(CLOCK_MONOTONIC, &t));
    return ((uint64_t)high << 32 | low) + (uint64_t)t.tv_nsec;
}

static uint64_t masked(void) {
    uint64_t bits = 0;
    OK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &bits, 8));
    return bits;
}

static void forbid(long nr) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void block_all(void) {
    sigset_t all;
    sigfillset(&all);
    OK(sigprocmask(SIG_SETMASK, &all, NULL));
}

static void unblock(void) {
    sigset_t none;
    sigemptyset(&none);
    OK(sigprocmask(SIG_SETMASK, &none, NULL));
}

int main(int argc, char **argv) {
    if (argc == 2) {
        uint64_t before = masked();
        say("after exec: %lx %lx", (unsigned long)before, (unsigned long)numbers());
        CHECK_EQ(masked(), before);
        struct sigaction now;
        OK(sigaction(SIGTRAP, NULL, &now));
        CHECK(now.sa_handler == SIG_IGN);
        OK(sigaction(SIGSEGV, NULL, &now));
        CHECK(now.sa_handler == SIG_IGN);
        OK(sigaction(SIGILL, NULL, &now));
        CHECK(now.sa_handler == SIG_DFL);
        return 3;
    }
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    pid_t pid = OK(fork());
    if (pid == 0) {
        handle(SIGSEGV, (void *)on_signal, 0);
        block_all();
        forbid(SYS_rt_sigaction);
        say("filtered %lx", (unsigned long)numbers());
        unblock();
        OK(kill(getpid(), SIGSEGV));
        CHECK_EQ(handled, SIGSEGV);
        _exit(5);
    }
    expect_exit(pid, 5);
    pid = OK(fork());
    if (pid == 0) {
        signal(SIGTRAP, SIG_IGN);
        signal(SIGSEGV, SIG_IGN);
        handle(SIGILL, (void *)on_signal, 0);
        block_all();
        char *const arguments[] = {argv[0], (char *)"again", NULL};
        execv("/proc/self/exe", arguments);
        _exit(99);
    }
    expect_exit(pid, 3);
    /* A handler for once, and its mask. */
    handle(SIGSEGV, (void *)on_signal, SA_RESETHAND);
    OK(kill(getpid(), SIGSEGV));
    CHECK_EQ(handled, SIGSEGV);
    block_all();
    say("once %lx", (unsigned long)numbers());
    struct sigaction now;
    OK(sigaction(SIGSEGV, NULL, &now));
    CHECK(now.sa_handler == SIG_DFL);
    unblock();
    /* A child without handlers, made so by the kernel; the mask is inherited. */
    handle(SIGSEGV, (void *)on_signal, 0);
    block_all();
    uint64_t before = masked();
    struct clone_args clear;
    memset(&clear, 0, sizeof clear);
    clear.flags = CLONE_CLEAR_SIGHAND;
    clear.exit_signal = SIGCHLD;
    pid = OK(syscall(SYS_clone3, &clear, sizeof clear));
    if (pid == 0) {
        say("cleared %lx", (unsigned long)numbers());
        CHECK_EQ(masked(), before);
        OK(sigaction(SIGSEGV, NULL, &now));
        CHECK(now.sa_handler == SIG_DFL);
        _exit(6);
    }
    expect_exit(pid, 6);
    pid = OK(fork());
    if (pid == 0) {
        say("forked %lx", (unsigned long)numbers());
        CHECK_EQ(masked(), before);
        OK(sigaction(SIGSEGV, NULL, &now));
        CHECK(now.sa_handler == on_signal);
        _exit(7);
    }
    expect_exit(pid, 7);
    return 0;
}
