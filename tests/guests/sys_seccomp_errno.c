/* A seccomp filter of the program's own: ERRNO, and KILL in a child. */
#include "guest.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

static int install(unsigned number, unsigned action) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int main(void) {
    unsigned action = SECCOMP_RET_ERRNO;
    OK(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
    OK(install(SYS_getpgid, SECCOMP_RET_ERRNO | 123));
    errno = 0;
    CHECK(syscall(SYS_getpgid, 0) == -1 && errno == 123);
    CHECK(getppid() > 0);
    CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
    /* A second filter adds to the first. */
    OK(install(SYS_getsid, SECCOMP_RET_ERRNO | 45));
    FAILS(getsid(0), 45);
    FAILS(syscall(SYS_getpgid, 0), 123);
    pid_t pid = OK(fork());
    if (pid == 0) {
        FAILS(syscall(SYS_getpgid, 0), 123);
        OK(install(SYS_getuid, SECCOMP_RET_KILL_PROCESS));
        say("child %d asks for its user", (int)getpid());
        getuid();
        _exit(0);
    }
    expect_signal(pid, SIGSYS);
    say("child was killed");
    return 0;
}
