/* A seccomp filter with TRAP: SIGSYS carries the call, and the handler supplies the result. */
#include "guest.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <ucontext.h>

static volatile sig_atomic_t number, arch, data, code;
static void on_sys(int s, siginfo_t *info, void *context) {
    (void)s;
    ucontext_t *u = context;
    number = info->si_syscall;
    arch = (sig_atomic_t)info->si_arch;
    data = info->si_errno;
    code = info->si_code;
    CHECK_EQ(u->uc_mcontext.gregs[REG_RAX], SYS_getpgid);
    u->uc_mcontext.gregs[REG_RAX] = 4711 + u->uc_mcontext.gregs[REG_RDI];
}

int main(void) {
    handle(SIGSYS, on_sys, 0);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | 77),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    CHECK_EQ(syscall(SYS_getpgid, 10), 4721);
    CHECK(number == SYS_getpgid && data == 77 && code == 1);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(syscall(SYS_getpgid, i), 4711 + i);
    say("trapped call %d arch %x", (int)number, (unsigned)arch);
    return 0;
}
