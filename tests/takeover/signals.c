/* Signals: of children, of timers, blocked and pending with what they carry, waited for. */
#include "../guests/guest.h"
#include <sys/time.h>

static volatile sig_atomic_t children, alarms, values, tick;

static void on_child(int signal) {
    (void)signal;
    int saved = errno;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        children++;
    errno = saved;
}

static void on_alarm(int signal) {
    (void)signal;
    alarms++;
}

static void on_value(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    CHECK_EQ(info->si_pid, getpid());
    values = values * 10 + info->si_value.sival_int;
}

static void on_tick(int signal) {
    (void)signal;
    tick++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART};
    OK(sigaction(SIGCHLD, &action, NULL));
    action.sa_handler = on_alarm;
    OK(sigaction(SIGALRM, &action, NULL));
    action.sa_handler = on_tick;
    OK(sigaction(SIGUSR2, &action, NULL));
    struct sigaction with = {.sa_sigaction = on_value, .sa_flags = SA_SIGINFO};
    OK(sigaction(SIGRTMIN, &with, NULL));
    sigset_t blocked, none;
    sigemptyset(&none);
    sigfillset(&blocked);
    OK(sigprocmask(SIG_BLOCK, &blocked, NULL));
    for (int i = 1; i <= 4; i++)
        OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}));
    OK(pthread_kill(pthread_self(), SIGUSR2));
    for (int i = 0; i < 2; i++)
        if (OK(fork()) == 0)
            _exit(0);
    say("pending");
    usleep(3000);
    sigset_t pending;
    OK(sigpending(&pending));
    CHECK(sigismember(&pending, SIGRTMIN) && sigismember(&pending, SIGUSR2));
    while (children < 2 || values != 1234 || tick < 1)
        CHECK(sigsuspend(&none) == -1 && errno == EINTR);
    say("children %d values %d", (int)children, (int)values);
    struct itimerval interval = {{0, 4000}, {0, 4000}};
    OK(setitimer(ITIMER_REAL, &interval, NULL));
    while (alarms < 3)
        sigsuspend(&none);
    interval = (struct itimerval){{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &interval, NULL));
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pid_t child = OK(fork());
    if (child == 0) {
        OK(kill(getppid(), SIGUSR1));
        _exit(0);
    }
    siginfo_t info;
    CHECK_EQ(sigwaitinfo(&usr1, &info), SIGUSR1);
    CHECK_EQ(info.si_pid, child);
    say("waited");
    return 0;
}
