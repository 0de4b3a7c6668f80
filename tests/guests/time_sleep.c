/* nanosleep, clock_nanosleep relative and absolute, usleep, sleep interrupted with the rest returned. */
#include "guest.h"
#include <sys/time.h>

static void on_alarm(int s) {
    (void)s;
}

int main(void) {
    uint64_t start = now_ns();
    struct timespec t = {0, 3000000}, rest = {7, 7};
    OK(nanosleep(&t, &rest));
    CHECK(now_ns() - start >= 3000000);
    CHECK(rest.tv_sec == 7);
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL), 0);
    OK(clock_gettime(CLOCK_MONOTONIC, &t));
    t.tv_nsec += 2000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL), 0);
    struct timespec n;
    OK(clock_gettime(CLOCK_MONOTONIC, &n));
    CHECK(n.tv_sec > t.tv_sec || (n.tv_sec == t.tv_sec && n.tv_nsec >= t.tv_nsec));
    usleep(1000);
    t.tv_sec = 0;
    t.tv_nsec = -1;
    FAILS(nanosleep(&t, NULL), EINVAL);
    CHECK_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &rest, NULL), EINVAL);

    struct sigaction action = {.sa_handler = on_alarm};
    OK(sigaction(SIGALRM, &action, NULL));
    /* Again and again: the first one may come before the sleep. */
    struct itimerval timer = {{0, 20000}, {0, 5000}}, none = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &timer, NULL));
    t.tv_sec = 5;
    t.tv_nsec = 0;
    FAILS(nanosleep(&t, &rest), EINTR);
    CHECK(rest.tv_sec < 5 && rest.tv_nsec > 0);
    say("interrupted with %ld.%09ld left, total %lu ns", (long)rest.tv_sec, rest.tv_nsec,
        (unsigned long)(now_ns() - start));
    OK(setitimer(ITIMER_REAL, &timer, NULL));
    CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, 0, &t, &rest), EINTR);
    OK(setitimer(ITIMER_REAL, &timer, NULL));
    unsigned left = sleep(3);
    say("sleep said %u left", left);
    CHECK(left <= 3);
    OK(setitimer(ITIMER_REAL, &none, NULL));
    sched_yield();
    return 0;
}
