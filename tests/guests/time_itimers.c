/* setitimer and getitimer of all kinds, alarm, pause. */
#include "guest.h"
#include <sys/time.h>

static volatile sig_atomic_t alarms, virtuals, profs;
static void on_signal(int s) {
    if (s == SIGALRM)
        alarms++;
    if (s == SIGVTALRM)
        virtuals++;
    if (s == SIGPROF)
        profs++;
}

int main(void) {
    signal(SIGALRM, on_signal);
    signal(SIGVTALRM, on_signal);
    signal(SIGPROF, on_signal);
    struct itimerval t = {{0, 3000}, {0, 3000}}, old;
    OK(setitimer(ITIMER_REAL, &t, NULL));
    while (alarms < 5)
        pause();
    OK(getitimer(ITIMER_REAL, &old));
    CHECK(old.it_interval.tv_usec == 3000 && old.it_value.tv_usec <= 3000);
    say("next alarm in %ld us", (long)old.it_value.tv_usec);
    memset(&t, 0, sizeof t);
    OK(setitimer(ITIMER_REAL, &t, &old));
    CHECK_EQ(old.it_interval.tv_usec, 3000);

    /* CPU timers: they tick while the program makes system calls. */
    t.it_value.tv_usec = 2000;
    OK(setitimer(ITIMER_VIRTUAL, &t, NULL));
    OK(setitimer(ITIMER_PROF, &t, NULL));
    long spins = 0;
    uint64_t give_up = now_ns() + 10000000000ull;
    while (!virtuals || !profs) {
        for (volatile int i = 0; i < 20000; i++)
            ;
        CHECK(now_ns() < give_up);
        spins += getppid() != 0;
    }
    say("CPU timers after %ld rounds", spins);
    CHECK_EQ(alarm(100), 0);
    unsigned left = alarm(0);
    CHECK(left == 100 || left == 99);
    t.it_value.tv_usec = 2000000;
    FAILS(setitimer(ITIMER_REAL, &t, NULL), EINVAL);
    FAILS(getitimer((__itimer_which_t)9, &old), EINVAL);
    int before = alarms;
    alarm(1);
    alarm(0);
    CHECK_EQ(alarms, before);
    return 0;
}
