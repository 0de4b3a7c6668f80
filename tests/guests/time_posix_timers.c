/* timer_create with signal, thread-directed and no notification; overruns; remaining time. */
#include "guest.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile sig_atomic_t hits, value, on_thread, code;
static void on_timer(int s, siginfo_t *info, void *context) {
    (void)s, (void)context;
    value = info->si_value.sival_int;
    code = info->si_code;
    on_thread = (sig_atomic_t)syscall(SYS_gettid);
    hits++;
}

static void *waiter(void *unused) {
    (void)unused;
    timer_t id;
    pid_t me = (pid_t)syscall(SYS_gettid);
    struct sigevent e;
    memset(&e, 0, sizeof e);
    e.sigev_notify = SIGEV_THREAD_ID;
    e.sigev_signo = SIGRTMIN + 1;
    e.sigev_value.sival_int = 55;
    e.sigev_notify_thread_id = me;
    OK(timer_create(CLOCK_MONOTONIC, &e, &id));
    struct itimerspec t = {{0, 0}, {0, 2000000}};
    int before = hits;
    OK(timer_settime(id, 0, &t, NULL));
    while (hits == before)
        sleep_ms(1);
    CHECK(on_thread == me && value == 55 && code == SI_TIMER);
    OK(timer_delete(id));
    say("thread %d got its timer", (int)me);
    return NULL;
}

int main(void) {
    handle(SIGRTMIN + 1, on_timer, 0);
    timer_t id, silent;
    struct sigevent e;
    memset(&e, 0, sizeof e);
    e.sigev_notify = SIGEV_SIGNAL;
    e.sigev_signo = SIGRTMIN + 1;
    e.sigev_value.sival_int = 1234;
    OK(timer_create(CLOCK_REALTIME, &e, &id));
    struct itimerspec t = {{0, 1000000}, {0, 1000000}}, got;
    OK(timer_settime(id, 0, &t, NULL));
    while (hits < 3)
        sleep_ms(1);
    CHECK(value == 1234 && code == SI_TIMER);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 1);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    sleep_ms(10);
    siginfo_t info;
    CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN + 1);
    int overrun = OK(timer_getoverrun(id));
    CHECK(overrun >= 1 && info.si_overrun >= 1);
    say("overruns %d and %d", overrun, info.si_overrun);
    OK(timer_gettime(id, &got));
    CHECK(got.it_interval.tv_nsec == 1000000);
    OK(timer_delete(id));
    FAILS(timer_delete(id), EINVAL);
    e.sigev_notify = SIGEV_NONE;
    OK(timer_create(CLOCK_MONOTONIC, &e, &silent));
    t.it_value.tv_sec = 100;
    OK(timer_settime(silent, 0, &t, NULL));
    OK(timer_gettime(silent, &got));
    CHECK(got.it_value.tv_sec >= 99);
    say("silent timer has %ld.%09ld left", (long)got.it_value.tv_sec, got.it_value.tv_nsec);
    struct timespec now = {0, 0};
    while (sigtimedwait(&set, NULL, &now) > 0)
        ;
    OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, waiter, NULL));
    ZERO(pthread_join(thread, NULL));
    return 0;
}
