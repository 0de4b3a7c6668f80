/* times, getrusage for self, children and thread, clock ticks, load averages. */
#include "guest.h"
#include <sys/resource.h>
#include <sys/times.h>

int main(void) {
    struct tms a, b;
    clock_t before = times(&a);
    pid_t pid = OK(fork());
    if (pid == 0) {
        volatile unsigned x = 1;
        for (int i = 0; i < 3000000; i++)
            x = x * 3 + 1;
        _exit(0);
    }
    expect_exit(pid, 0);
    clock_t after = times(&b);
    CHECK(after >= before && b.tms_cutime >= a.tms_cutime);
    say("times %ld user %ld system %ld children %ld", (long)after, (long)b.tms_utime, (long)b.tms_stime,
        (long)b.tms_cutime);
    struct rusage self, children, thread;
    OK(getrusage(RUSAGE_SELF, &self));
    OK(getrusage(RUSAGE_CHILDREN, &children));
    OK(getrusage(RUSAGE_THREAD, &thread));
    CHECK(self.ru_maxrss > 0 && children.ru_utime.tv_usec + children.ru_utime.tv_sec * 1000000 >= 0);
    say("self %ld.%06ld rss %ld faults %ld switches %ld %ld", (long)self.ru_utime.tv_sec,
        (long)self.ru_utime.tv_usec, self.ru_maxrss, self.ru_minflt, self.ru_nvcsw, self.ru_nivcsw);
    say("children %ld.%06ld thread %ld.%06ld", (long)children.ru_utime.tv_sec, (long)children.ru_utime.tv_usec,
        (long)thread.ru_stime.tv_sec, (long)thread.ru_stime.tv_usec);
    FAILS(getrusage((__rusage_who_t)77, &self), EINVAL);
    double load[3];
    int n = getloadavg(load, 3);
    say("load %d %f", n, n > 0 ? load[0] : 0.0);
    say("ticks %ld", sysconf(_SC_CLK_TCK));
    return 0;
}
