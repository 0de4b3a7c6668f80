/* Seccomp's TRACE without a tracer of the program's own answers ENOSYS; LOG lets the call go; both also over exec. */
#include "guest.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

static void install(long nr, unsigned action) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

int main(int argc, char **argv) {
    if (argc == 2) {
        FAILS(syscall(SYS_getppid), ENOSYS);
        CHECK(getpgrp() > 0);
        CHECK_EQ(prctl(PR_GET_SECCOMP), SECCOMP_MODE_FILTER);
        say("the new program is %d", (int)getpid());
        return 4;
    }
    CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
    pid_t parent = getpid(), pid = OK(fork());
    if (pid == 0) {
        CHECK_EQ(getppid(), parent);
        install(SYS_getpgrp, SECCOMP_RET_LOG);
        CHECK(getpgrp() > 0);
        install(SYS_getppid, SECCOMP_RET_TRACE | 17);
        FAILS(syscall(SYS_getppid), ENOSYS);
        CHECK_EQ(getpid(), (pid_t)syscall(SYS_gettid));
        pid_t child = OK(fork());
        if (child == 0) {
            FAILS(syscall(SYS_getppid), ENOSYS);
            _exit(6);
        }
        expect_exit(child, 6);
        char *const arguments[] = {argv[0], (char *)"again", NULL};
        execv("/proc/self/exe", arguments);
        guest_fail(__FILE__, __LINE__, "execv");
    }
    expect_exit(pid, 4);
    return 0;
}
