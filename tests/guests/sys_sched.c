/* Scheduling policies, parameters, attributes, priorities, nice, I/O priority. */
#include "guest.h"
#include <sys/resource.h>

struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
};

int main(void) {
    CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
    struct sched_param p = {0};
    OK(sched_getparam(0, &p));
    CHECK_EQ(p.sched_priority, 0);
    CHECK(sched_get_priority_max(SCHED_FIFO) == 99 && sched_get_priority_min(SCHED_RR) == 1);
    OK(sched_setscheduler(0, SCHED_BATCH, &p));
    CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
    OK(sched_setscheduler(0, SCHED_OTHER, &p));
    p.sched_priority = 5;
    int r = sched_setscheduler(0, SCHED_FIFO, &p);
    say("SCHED_FIFO %d %d", r, r ? errno : 0);
    p.sched_priority = 0;
    OK(sched_setscheduler(0, SCHED_OTHER, &p));
    struct timespec t;
    OK(sched_rr_get_interval(0, &t));
    say("interval %ld", t.tv_nsec);
    struct attributes a;
    memset(&a, 0xee, sizeof a);
    OK(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0));
    say("attributes size %u policy %u nice %d", a.size, a.policy, a.nice);
    a.size = sizeof a;
    a.flags = 0;
    a.nice = 3;
    a.runtime = a.deadline = a.period = 0;
    a.util_min = a.util_max = 0;
    OK(syscall(SYS_sched_setattr, 0, &a, 0));
    errno = 0;
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 3);
    CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 17);
    OK(setpriority(PRIO_PROCESS, 0, 5));
    CHECK_EQ(nice(2), 7);
    FAILS(getpriority(99, 0), EINVAL);
    FAILS(sched_setscheduler(0, 77, &p), EINVAL);
    long io = syscall(SYS_ioprio_get, 1, 0);
    say("ioprio %ld", io);
    r = (int)syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6);
    if (r == 0)
        CHECK_EQ(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | 6);
    for (int i = 0; i < 10; i++)
        OK(sched_yield());
    return 0;
}
