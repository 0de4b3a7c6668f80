/* Filters of the program's own, installed late: with errors, with signals that name the call, for all threads at
 * once, and the strict mode. */
#include "guest.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

static int null, zero;
static volatile int over;

static void some_calls(int n) {
    char bytes[32];
    for (int i = 0; i < n; i++) {
        CHECK_EQ(read(zero, bytes, sizeof bytes), sizeof bytes);
        CHECK_EQ(write(null, bytes, 10), 10);
        CHECK(syscall(SYS_getuid) >= 0);
    }
}

static void install(unsigned number, unsigned action, unsigned flags) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_EQ(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program), 0);
}

static volatile long trapped, trapped_at;
static void on_sys(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    trapped = info->si_syscall;
    trapped_at = (long)info->si_call_addr;
}

__attribute__((noinline)) static long here(long nr, long *after) {
    long result = nr, at;
    __asm__ volatile("syscall\n1: lea 1b(%%rip), %1\n\t" : "+a"(result), "=r"(at) : : "rcx", "r11", "memory");
    *after = at;
    return result;
}

static void *loops(void *argument) {
    _Atomic long *refused = argument;
    while (!over)
        if (syscall(SYS_getgid) == -1 && errno == EOVERFLOW)
            ++*refused;
    return NULL;
}

static int act(int what) {
    long at = 0;
    some_calls(10);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(here(SYS_getgid, &at), getgid());
    switch (what) {
    case 0:
        install(SYS_getgid, SECCOMP_RET_ERRNO | EOVERFLOW, 0);
        for (int i = 0; i < 5; i++)
            CHECK_EQ(here(SYS_getgid, &at), -EOVERFLOW);
        break;
    case 1:
        handle(SIGSYS, on_sys, 0);
        install(SYS_getgid, SECCOMP_RET_TRAP, 0);
        for (int i = 0; i < 5; i++) {
            trapped = 0;
            (void)here(SYS_getgid, &at);
            CHECK_EQ(trapped, SYS_getgid);
            CHECK_EQ(trapped_at, at);
        }
        break;
    case 2: {
        pthread_t threads[2];
        _Atomic long refused[2] = {0, 0};
        for (int i = 0; i < 2; i++)
            ZERO(pthread_create(&threads[i], NULL, loops, &refused[i]));
        some_calls(20);
        install(SYS_getgid, SECCOMP_RET_ERRNO | EOVERFLOW, SECCOMP_FILTER_FLAG_TSYNC);
        /* For as long as it takes until the filter has met both. */
        do {
            some_calls(5);
            sleep_ms(1);
        } while (refused[0] == 0 || refused[1] == 0);
        over = 1;
        for (int i = 0; i < 2; i++)
            ZERO(pthread_join(threads[i], NULL));
        break;
    }
    case 3:
        OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
        for (int i = 0; i < 10; i++)
            if (write(null, "strictly", 8) != 8)
                syscall(SYS_exit, 5);
        syscall(SYS_getuid);
        syscall(SYS_exit, 6);
        break;
    case 4:
        install(SYS_read, SECCOMP_RET_KILL_PROCESS, 0);
        for (int i = 0; i < 5; i++)
            CHECK_EQ(write(null, "x", 1), 1);
        some_calls(1);
        break;
    default:
        /* Nobody is to be its tracer but the supervisor. */
        for (int i = 0; i < 3; i++) {
            errno = 0;
            long r = ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
            CHECK(r == -1 || ptrace(PTRACE_DETACH, getppid(), NULL, NULL) == 0 || errno == ESRCH);
            some_calls(3);
        }
    }
    some_calls(10);
    return 0;
}

int main(void) {
    null = OK(open("/dev/null", O_RDWR)), zero = OK(open("/dev/zero", O_RDWR));
    some_calls(20);
    for (int what = 0; what < 5; what++) {
        pid_t pid = OK(fork());
        if (pid == 0)
            _exit(act(what));
        if (what == 3)
            expect_signal(pid, SIGKILL);
        else if (what == 4)
            expect_signal(pid, SIGSYS);
        else
            expect_exit(pid, 0);
        some_calls(5);
        say("%d", what);
    }
    return 0;
}
