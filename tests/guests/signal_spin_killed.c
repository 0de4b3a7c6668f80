/* A process that computes without a system call ends by its own alarm, and by its limit of CPU time. */
#include "guest.h"
#include <sys/resource.h>
#include <sys/time.h>

int main(void) {
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    pid_t pid = OK(fork());
    volatile unsigned long counter = 0;
    if (pid == 0) {
        struct itimerval soon = {{0, 0}, {0, 50000}};
        OK(setitimer(ITIMER_REAL, &soon, NULL));
        for (;;)
            counter++;
    }
    expect_signal(pid, SIGALRM);
    pid = OK(fork());
    if (pid == 0) {
        struct itimerval soon = {{0, 0}, {0, 50000}};
        OK(setitimer(ITIMER_PROF, &soon, NULL));
        for (;;)
            counter++;
    }
    expect_signal(pid, SIGPROF);
    pid = OK(fork());
    if (pid == 0) {
        struct rlimit one = {1, 2};
        OK(setrlimit(RLIMIT_CPU, &one));
        for (;;)
            counter++;
    }
    int status;
    struct rusage usage;
    CHECK_EQ(wait4(pid, &status, 0, &usage), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU);
    long used = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
    used = used * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    CHECK(used > 500000);
    say("it used %ld us", used);
    return 0;
}
