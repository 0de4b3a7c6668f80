/* Timers of every kind that run for long: each must go off, about when it was to, and as often. */
#include "../guests/guest.h"
#include <poll.h>
#include <sys/time.h>
#include <sys/timerfd.h>

static volatile sig_atomic_t alarms, once, often, overrun;

static void handler(int signal, siginfo_t *info, void *context) {
    (void)context;
    if (signal == SIGALRM)
        alarms++;
    else if (info->si_value.sival_int == 1)
        once++;
    else
        often += 1 + info->si_overrun, overrun += info->si_overrun;
}

int main(void) {
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    OK(sigprocmask(SIG_BLOCK, &all, NULL));
    handle(SIGALRM, handler, 0);
    handle(SIGRTMIN, handler, 0);
    uint64_t begun = now_ns();
    struct itimerspec soon = {.it_value = {.tv_nsec = 30000000}};
    struct itimerspec again = {{.tv_nsec = 10000000}, {.tv_nsec = 10000000}};
    struct itimerval interval = {{0, 0}, {0, 30000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 1};
    timer_t first, second;
    OK(timer_create(CLOCK_MONOTONIC, &event, &first));
    event.sigev_value.sival_int = 2;
    OK(timer_create(CLOCK_MONOTONIC, &event, &second));
    int one = OK(timerfd_create(CLOCK_MONOTONIC, 0));
    int many = OK(timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK));
    struct timespec now;
    OK(clock_gettime(CLOCK_REALTIME, &now));
    int day = OK(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));
    struct itimerspec later = {.it_value = {now.tv_sec + 86400, 0}};
    OK(timerfd_settime(day, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &later, NULL));
    OK(timer_settime(first, 0, &soon, NULL));
    OK(timer_settime(second, 0, &again, NULL));
    OK(timerfd_settime(one, 0, &soon, NULL));
    OK(timerfd_settime(many, 0, &again, NULL));
    OK(setitimer(ITIMER_REAL, &interval, NULL));
    say("set");
    uint64_t expired, total = 0;
    CHECK_EQ(read(one, &expired, 8), 8);
    CHECK_EQ(expired, 1);
    while (alarms < 1 || once < 1 || often < 5)
        CHECK(sigsuspend(&none) == -1 && errno == EINTR);
    CHECK_EQ(alarms, 1);
    CHECK_EQ(once, 1);
    while (total < 5) {
        if (read(many, &expired, 8) == 8)
            total += expired;
        else
            CHECK_EQ(errno, EAGAIN);
        usleep(3000);
    }
    long ms = (long)((now_ns() - begun) / 1000000);
    CHECK(ms >= 50);
    struct itimerspec rest;
    OK(timer_gettime(second, &rest));
    CHECK_EQ(rest.it_interval.tv_nsec, 10000000);
    OK(timer_gettime(first, &rest));
    CHECK(rest.it_value.tv_sec == 0 && rest.it_value.tv_nsec == 0);
    OK(timerfd_gettime(day, &rest));
    CHECK(rest.it_value.tv_sec > 86000);
    CHECK_EQ(poll(&(struct pollfd){one, POLLIN, 0}, 1, 40), 0);
    OK(timer_delete(second));
    OK(timerfd_settime(many, 0, &(struct itimerspec){0}, NULL));
    alarm(100);
    usleep(1000);
    CHECK(alarm(0) >= 99);
    CHECK_EQ(alarms, 1);
    say("all");
    return 0;
}
