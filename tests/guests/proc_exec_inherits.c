/* What passes through execve: alarms, pending and blocked and ignored signals, masks, names, limits; and what does not. */
#include "guest.h"
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

static volatile int handled;
static void on_signal(int number) { handled = number; }

static int after(char **argv) {
    sigset_t set, pending;
    struct sigaction a;
    OK(sigprocmask(SIG_BLOCK, NULL, &set));
    CHECK(sigismember(&set, SIGUSR1) && sigismember(&set, SIGRTMIN) && !sigismember(&set, SIGUSR2));
    OK(sigpending(&pending));
    CHECK(sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGRTMIN));
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
    CHECK(info.si_code == SI_QUEUE && info.si_value.sival_int == 4711 && info.si_pid == getpid());
    OK(sigaction(SIGHUP, NULL, &a));
    CHECK(a.sa_handler == SIG_IGN);
    OK(sigaction(SIGUSR2, NULL, &a));
    CHECK(a.sa_handler == SIG_DFL);
    stack_t stack;
    OK(sigaltstack(NULL, &stack));
    CHECK(stack.ss_flags == SS_DISABLE);
    struct itimerspec rest;
    timer_t timer = (timer_t)(intptr_t)atoi(argv[2]);
    CHECK_EQ(syscall(SYS_timer_gettime, timer, &rest), -1);
    struct rlimit limit;
    OK(getrlimit(RLIMIT_NOFILE, &limit));
    CHECK_EQ(limit.rlim_cur, 100);
    CHECK_EQ(umask(0), 027);
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 3);
    char name[17] = {0};
    OK(prctl(PR_GET_NAME, name));
    CHECK(strncmp(argv[0] ? strrchr(argv[0], '/') + 1 : "", name, 15) == 0 || strcmp(name, "exe") == 0);
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
    int death = 0;
    OK(prctl(PR_GET_PDEATHSIG, &death));
    CHECK_EQ(death, SIGTERM);
    FAILS(fcntl(atoi(argv[3]), F_GETFD), EBADF);
    CHECK_EQ(lseek(atoi(argv[4]), 0, SEEK_CUR), 5);
    /* The alarm that was set before still comes. */
    signal(SIGALRM, on_signal);
    sigfillset(&set);
    sigdelset(&set, SIGALRM);
    FAILS(sigsuspend(&set), EINTR);
    CHECK_EQ(handled, SIGALRM);
    say("pid %d, alarm came", (int)getpid());
    return 6;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return after(argv);
    static char stack[65536];
    stack_t s = {.ss_sp = stack, .ss_size = sizeof stack};
    OK(sigaltstack(&s, NULL));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGALRM);
    OK(sigprocmask(SIG_SETMASK, &set, NULL));
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR2, on_signal);
    OK(raise(SIGUSR1));
    OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 4711}));
    int timer = -1;
    OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &timer));
    struct rlimit limit = {100, 100};
    OK(setrlimit(RLIMIT_NOFILE, &limit));
    umask(027);
    OK(setpriority(PRIO_PROCESS, 0, 3));
    OK(prctl(PR_SET_NAME, "another name"));
    OK(prctl(PR_SET_DUMPABLE, 0));
    OK(prctl(PR_SET_PDEATHSIG, SIGTERM));
    int closed = OK(open("/dev/null", O_RDONLY | O_CLOEXEC));
    make_file("f", "0123456789", 10);
    int kept = OK(open("f", O_RDONLY));
    OK(lseek(kept, 5, SEEK_SET));
    char texts[3][16];
    snprintf(texts[0], 16, "%d", timer);
    snprintf(texts[1], 16, "%d", closed);
    snprintf(texts[2], 16, "%d", kept);
    struct itimerval soon = {{0, 0}, {0, 80000}};
    OK(setitimer(ITIMER_REAL, &soon, NULL));
    char *const arguments[] = {argv[0], (char *)"after", texts[0], texts[1], texts[2], NULL};
    execv("/proc/self/exe", arguments);
    return 1;
}
