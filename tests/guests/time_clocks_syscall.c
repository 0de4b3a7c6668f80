/* The same clocks by real system calls, with null and bad pointers, and their order against the vDSO. */
#include "guest.h"
#include <sys/time.h>
#include <sys/timex.h>

int main(void) {
    struct timespec a, b, c;
    for (int clock = 0; clock < 12; clock++) {
        long r = syscall(SYS_clock_gettime, clock, &a);
        if (r == 0)
            say("clock %d %ld.%09ld", clock, (long)a.tv_sec, a.tv_nsec);
        else
            say("clock %d errno %d", clock, errno);
    }
    /* Both ways read one clock. */
    OK(clock_gettime(CLOCK_MONOTONIC, &a));
    OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &b));
    OK(clock_gettime(CLOCK_MONOTONIC, &c));
    CHECK(a.tv_sec * 1000000000 + a.tv_nsec <= b.tv_sec * 1000000000 + b.tv_nsec);
    CHECK(b.tv_sec * 1000000000 + b.tv_nsec <= c.tv_sec * 1000000000 + c.tv_nsec);
    struct timeval v, later;
    OK(syscall(SYS_gettimeofday, &v, NULL));
    long t = syscall(SYS_time, NULL);
    OK(syscall(SYS_gettimeofday, &later, NULL));
    /* It gives the second of the last tick, which lags behind. */
    CHECK(t >= v.tv_sec - 1 && t <= later.tv_sec);
    FAILS(syscall(SYS_clock_gettime, CLOCK_REALTIME, 1l), EFAULT);
    OK(syscall(SYS_clock_getres, CLOCK_MONOTONIC, NULL));
    struct timex x;
    memset(&x, 0, sizeof x);
    int state = adjtimex(&x);
    say("adjtimex %d status %d tick %ld time %ld", state, x.status, x.tick, (long)x.time.tv_sec);
    memset(&x, 0, sizeof x);
    state = clock_adjtime(CLOCK_REALTIME, &x);
    say("clock_adjtime %d", state);
    clockid_t of_thread, of_process;
    ZERO(pthread_getcpuclockid(pthread_self(), &of_thread));
    ZERO(clock_getcpuclockid(0, &of_process));
    OK(clock_gettime(of_thread, &a));
    OK(clock_gettime(of_process, &b));
    say("thread used %ld ns, process %ld ns", a.tv_nsec, b.tv_nsec);
    FAILS(clock_settime(CLOCK_MONOTONIC, &a), EINVAL);
    return 0;
}
