/* How far the kernel writes: calls about processes, time, signals, scheduling and the system. */
#include "outputs.h"
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#define CALL(name, ...) syscall(SYS_##name, __VA_ARGS__)

struct iovec_ {
    void *base;
    size_t size;
};

static void nothing(int number) { (void)number; }

int main(void) {
    pid_t me = getpid();
    SEEN(uname(OUT(0)));
    SEEN(sysinfo(OUT(0)));
    SEEN(CALL(times, OUT(0)));
    SEEN(CALL(getrusage, RUSAGE_SELF, OUT(0)));
    SEEN(CALL(getrusage, RUSAGE_CHILDREN, OUT(0)));
    SEEN(CALL(getrlimit, RLIMIT_STACK, OUT(0)));
    SEEN(CALL(prlimit64, 0, RLIMIT_NOFILE, NULL, OUT(0)));
    SEEN(CALL(clock_gettime, CLOCK_THREAD_CPUTIME_ID, OUT(0)));
    SEEN(CALL(clock_gettime, CLOCK_BOOTTIME, OUT(0)));
    SEEN(CALL(clock_getres, CLOCK_MONOTONIC_COARSE, OUT(0)));
    SEEN(CALL(gettimeofday, OUT(0), OUT(64)));
    SEEN(CALL(time, OUT(0)));
    SEEN((memset(OUT(0), 0, sizeof(struct timex)), CALL(adjtimex, OUT(0))));
    SEEN((memset(OUT(0), 0, sizeof(struct timex)), CALL(clock_adjtime, CLOCK_TAI, OUT(0))));
    SEEN(CALL(getcpu, OUT(0), OUT(64), OUT(128)));
    SEEN(CALL(sched_getaffinity, 0, 64, OUT(0)) > 0);
    SEEN(CALL(sched_getaffinity, 0, 1024, OUT(0)) > 0);
    SEEN(CALL(sched_getparam, 0, OUT(0)));
    SEEN(CALL(sched_getattr, 0, OUT(0), 48, 0));
    SEEN(CALL(sched_getattr, 0, OUT(0), 200, 0));
    SEEN(CALL(sched_rr_get_interval, 0, OUT(0)));
    /* Too big a structure: the kernel writes the size that it knows, and says E2BIG. */
    SEEN((*(uint32_t *)OUT(0) = 200, memset(OUT(4), 0xff, 300), CALL(sched_setattr, 0, OUT(0), 0)));
    SEEN(CALL(getgroups, 0, OUT(0)));
    SEEN(CALL(getgroups, 64, OUT(0)));
    SEEN(CALL(getresuid, OUT(0), OUT(64), OUT(128)));
    SEEN(CALL(getresgid, OUT(0), OUT(64), OUT(128)));
    for (unsigned version = 0; version < 4; version++) {
        static const uint32_t versions[] = {0x12345678, 0x19980330, 0x20071026, 0x20080522};
        SEEN((*(uint32_t *)OUT(0) = versions[version], *(int *)OUT(4) = 0, CALL(capget, OUT(0), OUT(64))));
    }
    SEEN(CALL(rt_sigpending, OUT(0), 8));
    SEEN(CALL(rt_sigprocmask, SIG_BLOCK, NULL, OUT(0), 8));
    SEEN(CALL(rt_sigaction, SIGUSR2, NULL, OUT(0), 8));
    SEEN(CALL(sigaltstack, NULL, OUT(0)));
    SEEN(CALL(getitimer, ITIMER_VIRTUAL, OUT(0)));
    SEEN((memset(OUT(0), 0, 32), ((long *)OUT(0))[2] = 1000, CALL(setitimer, ITIMER_VIRTUAL, OUT(0), OUT(64))));
    SEEN((memset(OUT(0), 0, 32), CALL(setitimer, ITIMER_VIRTUAL, OUT(0), OUT(64))));
    SEEN(prctl(PR_GET_NAME, OUT(0)));
    SEEN(prctl(PR_GET_PDEATHSIG, OUT(0)));
    SEEN(prctl(PR_GET_CHILD_SUBREAPER, OUT(0)));
    SEEN(prctl(PR_GET_TSC, OUT(0)));
    SEEN(prctl(PR_GET_UNALIGN, OUT(0)));
    SEEN(prctl(PR_GET_TID_ADDRESS, OUT(0)) == 0 ? 0 : -1);
    SEEN(prctl(0x41555856 /* PR_GET_AUXV */, OUT(0), 1000, 0, 0));
    SEEN(CALL(arch_prctl, 0x1003 /* ARCH_GET_FS */, OUT(0)));
    SEEN(CALL(get_robust_list, 0, OUT(0), OUT(64)));
    SEEN(CALL(getrandom, OUT(0), 33, 0));
    SEEN(CALL(getcwd, OUT(0), 4096) > 0);
    SEEN(CALL(get_mempolicy, OUT(0), OUT(64), 1024, NULL, 0));
    SEEN(CALL(syslog, 10, OUT(0), 100) > 0);
    timer_t timer = NULL;
    SEEN(CALL(timer_create, CLOCK_MONOTONIC, NULL, &timer));
    SEEN(CALL(timer_gettime, timer, OUT(0)));
    SEEN((memset(OUT(0), 0, 32), ((long *)OUT(0))[2] = 1000, CALL(timer_settime, timer, 0, OUT(0), OUT(64))));
    SEEN(CALL(timer_gettime, timer, OUT(0)));

    int kinds[] = {WEXITED, WEXITED | WNOWAIT};
    for (int i = 0; i < 2; i++) {
        pid_t pid = OK(fork());
        if (pid == 0)
            _exit(3);
        SEEN(CALL(waitid, P_PID, pid, OUT(0), kinds[i], OUT(256)));
        SEEN(CALL(waitid, P_PID, pid, OUT(0), WEXITED | WNOHANG, OUT(256)));
        if (i == 1)
            SEEN(CALL(wait4, pid, OUT(0), 0, OUT(64)));
    }
    SEEN(CALL(wait4, -1, OUT(0), WNOHANG, OUT(64)));

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    OK(kill(me, SIGUSR1));
    SEEN(CALL(rt_sigtimedwait, &set, OUT(0), NULL, 8));
    OK(sigqueue(me, SIGRTMIN, (union sigval){.sival_int = 5}));
    SEEN(CALL(rt_sigtimedwait, &set, OUT(0), NULL, 8));
    SEEN(CALL(rt_sigtimedwait, &set, OUT(0), (&(struct timespec){0, 1}), 8));

    /* A sleep that ends early tells the rest, one that does not tells nothing. */
    struct sigaction a = {.sa_handler = nothing};
    OK(sigaction(SIGALRM, &a, NULL));
    struct itimerval soon = {{0, 0}, {0, 5000}};
    SEEN(CALL(nanosleep, (&(struct timespec){0, 1000}), OUT(0)));
    OK(setitimer(ITIMER_REAL, &soon, NULL));
    SEEN(CALL(nanosleep, (&(struct timespec){5, 0}), OUT(0)));
    OK(setitimer(ITIMER_REAL, &soon, NULL));
    SEEN(CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, (&(struct timespec){5, 0}), OUT(0)));
    SEEN(CALL(process_vm_readv, me, (&(struct iovec_){OUT(0), 100}), 1, (&(struct iovec_){&a, 50}), 1, 0));
    SEEN(CALL(kcmp, me, me, 0, 0, 1));
    return 0;
}
