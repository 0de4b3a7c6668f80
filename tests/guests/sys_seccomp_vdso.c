/* A filter that forbids the clock's system calls: the library's clocks, which make none, still work. */
#include "guest.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/time.h>

int main(void) {
    struct timespec before, after;
    OK(clock_gettime(CLOCK_MONOTONIC, &before));
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_gettimeofday, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_time, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    FAILS(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &after), EPERM);
    FAILS(syscall(SYS_time, NULL), EPERM);
    OK(clock_gettime(CLOCK_MONOTONIC, &after));
    CHECK(after.tv_sec > before.tv_sec || (after.tv_sec == before.tv_sec && after.tv_nsec >= before.tv_nsec));
    struct timeval v;
    OK(gettimeofday(&v, NULL));
    /* The coarse clock may be a tick behind. */
    CHECK(time(NULL) + 1 >= v.tv_sec);
    say("%ld.%09ld, %ld", (long)after.tv_sec, after.tv_nsec, (long)v.tv_sec);
    return 0;
}
