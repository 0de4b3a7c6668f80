/* Strict seccomp of one thread: what it must not call ends that thread alone; the others go on. */
#include "guest.h"
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static volatile int seen;
static int shared_tid;

static int strict_thread(void *how) {
    OK(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL));
    say("a strict thread");
    seen++;
    if (how)
        syscall(SYS_getpid);
    syscall(SYS_exit, 3);
    return 0;
}

static char stacks[2][65536] __attribute__((aligned(16)));

int main(void) {
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    FAILS(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
    FAILS(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, &none), EINVAL);
    for (long i = 0; i < 2; i++) {
        shared_tid = 1;
        OK(clone(strict_thread, stacks[i] + sizeof stacks[i],
                 CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID,
                 (void *)i, NULL, NULL, &shared_tid));
        int t;
        while ((t = __atomic_load_n(&shared_tid, __ATOMIC_SEQ_CST)) != 0)
            syscall(SYS_futex, &shared_tid, 0, t, NULL, NULL, 0);
        CHECK_EQ(seen, (int)i + 1);
    }
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 77));
        seen = 100;
        syscall(SYS_write, 1, "out\n", 4);
        syscall(100000);
        for (;;) ;
    }
    expect_signal(pid, SIGKILL);
    pid = OK(fork());
    if (pid == 0) {
        OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
        unsigned lo, hi;
        __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
        syscall(SYS_exit, 1);
    }
    expect_signal(pid, SIGSEGV);
    say("%d is still here", (int)getpid());
    return 0;
}
