/* getcpu by system call and vDSO, affinity masks, processor counts. */
#include "guest.h"

int main(void) {
    unsigned cpu = 999, node = 999;
    OK(syscall(SYS_getcpu, &cpu, &node, NULL));
    say("cpu %u node %u", cpu, node);
    int now = OK(sched_getcpu());
    cpu_set_t set, one;
    long bytes = OK(syscall(SYS_sched_getaffinity, 0, sizeof set, &set));
    CHECK(bytes > 0);
    CHECK(CPU_COUNT(&set) >= 1);
    say("vdso cpu %d, %ld bytes of mask, %d allowed", now, bytes, CPU_COUNT(&set));
    int last = -1;
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set))
            last = i;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    OK(sched_setaffinity(0, sizeof one, &one));
    cpu_set_t back;
    OK(sched_getaffinity(0, sizeof back, &back));
    CHECK(CPU_EQUAL(&one, &back));
    say("bound to %d, running on %d", last, OK(sched_getcpu()));
    ZERO(pthread_setaffinity_np(pthread_self(), sizeof set, &set));
    OK(sched_getaffinity(0, sizeof back, &back));
    CHECK(CPU_EQUAL(&set, &back));
    CPU_ZERO(&one);
    FAILS(sched_setaffinity(0, sizeof one, &one), EINVAL);
    FAILS(sched_getaffinity(0, 1, &one), EINVAL);
    say("online %ld configured %ld", sysconf(_SC_NPROCESSORS_ONLN), sysconf(_SC_NPROCESSORS_CONF));
    unsigned a = 0, b = 0, c = 0;
    __asm__ volatile("lsl %1, %0" : "=r"(a) : "r"(0x7b) : "cc");
    (void)b, (void)c;
    say("segment limit %#x", a);
    return 0;
}
