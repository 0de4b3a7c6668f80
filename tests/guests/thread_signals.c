/* pthread_kill, tgkill, per-thread masks, sigwait threads, process-directed signals to a willing thread. */
#include "guest.h"

static volatile sig_atomic_t handled_by;
static void on_signal(int s) {
    (void)s;
    handled_by = (sig_atomic_t)syscall(SYS_gettid);
}

static atomic_int tids[3];
static atomic_int quit;

static void *sleeper(void *argument) {
    atomic_store(&tids[(intptr_t)argument], (int)syscall(SYS_gettid));
    while (!atomic_load(&quit))
        sleep_ms(1);
    return NULL;
}

static void *sigwaiter(void *unused) {
    (void)unused;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ZERO(pthread_sigmask(SIG_BLOCK, &set, NULL));
    sigdelset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    atomic_store(&tids[2], (int)syscall(SYS_gettid));
    int total = 0, s;
    do {
        ZERO(sigwait(&set, &s));
        total = total * 100 + s;
    } while (s != SIGTERM);
    return (void *)(intptr_t)total;
}

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    ZERO(pthread_sigmask(SIG_BLOCK, &set, NULL));
    signal(SIGUSR1, on_signal);
    pthread_t t[2], w;
    for (int i = 0; i < 2; i++)
        ZERO(pthread_create(&t[i], NULL, sleeper, (void *)(intptr_t)i));
    ZERO(pthread_create(&w, NULL, sigwaiter, NULL));
    while (!atomic_load(&tids[0]) || !atomic_load(&tids[1]) || !atomic_load(&tids[2]))
        sleep_ms(1);
    for (int i = 0; i < 2; i++) {
        handled_by = 0;
        ZERO(pthread_kill(t[i], SIGUSR1));
        while (!handled_by)
            sleep_ms(1);
        CHECK_EQ(handled_by, atomic_load(&tids[i]));
    }
    handled_by = 0;
    OK(syscall(SYS_tkill, atomic_load(&tids[1]), SIGUSR1));
    while (!handled_by)
        sleep_ms(1);
    CHECK_EQ(handled_by, atomic_load(&tids[1]));
    handled_by = 0;
    OK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1));
    CHECK_EQ(handled_by, getpid());

    /* Only a sleeper is willing: the main thread blocks it. */
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    ZERO(pthread_sigmask(SIG_BLOCK, &usr1, NULL));
    handled_by = 0;
    OK(kill(getpid(), SIGUSR1));
    while (!handled_by)
        sleep_ms(1);
    CHECK(handled_by == atomic_load(&tids[0]) || handled_by == atomic_load(&tids[1]));
    say("threads %d %d, process signal went to %d", atomic_load(&tids[0]), atomic_load(&tids[1]), (int)handled_by);
    OK(kill(getpid(), SIGUSR2));
    sleep_ms(5);
    OK(kill(getpid(), SIGTERM));
    void *total;
    ZERO(pthread_join(w, &total));
    CHECK_EQ((intptr_t)total, SIGUSR2 * 100 + SIGTERM);
    atomic_store(&quit, 1);
    for (int i = 0; i < 2; i++)
        ZERO(pthread_join(t[i], NULL));
    FAILS(syscall(SYS_tgkill, getpid(), 1, SIGUSR1), ESRCH);
    return 0;
}
