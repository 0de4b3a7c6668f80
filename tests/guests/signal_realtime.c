/* Real-time signals queue with their values, lowest number first, in order. */
#include "guest.h"

static int values[64], numbers[64];
static volatile sig_atomic_t count;
static void on_signal(int s, siginfo_t *info, void *context) {
    (void)context;
    numbers[count] = s - SIGRTMIN;
    values[count++] = info->si_value.sival_int;
}

int main(void) {
    sigset_t set, none;
    sigemptyset(&none);
    sigemptyset(&set);
    for (int i = 0; i < 3; i++) {
        struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
        sigfillset(&a.sa_mask);
        OK(sigaction(SIGRTMIN + i, &a, NULL));
        sigaddset(&set, SIGRTMIN + i);
    }
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    for (int i = 0; i < 12; i++) {
        union sigval v = {.sival_int = 1000 + i};
        OK(sigqueue(getpid(), SIGRTMIN + 2 - i % 3, v));
    }
    CHECK_EQ(count, 0);
    OK(sigprocmask(SIG_SETMASK, &none, NULL));
    CHECK_EQ(count, 12);
    for (int i = 0; i < 12; i++) {
        CHECK_EQ(numbers[i], i / 4);
        CHECK_EQ(values[i], 1000 + (2 - i / 4) + i % 4 * 3);
    }
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = -60;
    info.si_value.sival_int = 5;
    OK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &info));
    CHECK(count == 13 && values[12] == 5);
    OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGRTMIN, &info));
    CHECK_EQ(count, 14);
    info.si_code = 5;
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    pid_t pid = OK(fork());
    if (pid == 0) {
        FAILS(syscall(SYS_rt_sigqueueinfo, getppid(), SIGRTMIN, &info), EPERM);
        union sigval v;
        for (int i = 0; i < 5; i++) {
            v.sival_int = i * i;
            OK(sigqueue(getppid(), SIGRTMIN + 1, v));
        }
        _exit(0);
    }
    expect_exit(pid, 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN + 1);
        CHECK(info.si_value.sival_int == i * i && info.si_pid == pid);
    }
    say("queued by %d", (int)pid);
    return 0;
}
