/* Eight threads compute and send each other signals, queued ones and others: where each was interrupted is printed. */
#include "guest.h"

#define THREADS 8
#define SIGNALS 2000

static struct { volatile uint64_t x, steps, hash; unsigned long sent; pthread_t thread; char apart[64]; } of[THREADS];
static atomic_int tids[THREADS];
static atomic_int handled;
static atomic_ulong order;
static pthread_barrier_t all;
static __thread unsigned me;
static pid_t pid;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)context;
    CHECK(info->si_code == SI_TKILL && info->si_pid == pid);
    of[me].hash = (of[me].hash ^ of[me].x ^ of[me].steps << 8 ^ (uint64_t)signal) * 0x100000001b3ull;
    atomic_store(&order, atomic_load(&order) * 31 + me);
    atomic_fetch_add(&handled, 1);
}

static void *computes(void *argument) {
    me = (unsigned)(intptr_t)argument;
    of[me].thread = pthread_self();
    atomic_store(&tids[me], (int)syscall(SYS_gettid));
    pthread_barrier_wait(&all);
    of[me].x = me;
    while (atomic_load(&handled) < SIGNALS) {
        for (int i = 0; i < 10000; i++) {
            of[me].x = of[me].x * 6364136223846793005ull + 1442695040888963407ull;
            if (of[me].x >> 62 != 0)
                of[me].steps++;
        }
        unsigned to = (unsigned)(of[me].x >> 59) % THREADS;
        if (of[me].x >> 58 & 1)
            ZERO(pthread_kill(of[to].thread, SIGUSR1));
        else
            OK(syscall(SYS_tgkill, pid, atomic_load(&tids[to]), SIGRTMIN + 1));
        of[me].sent++;
    }
    /* Nobody is sent a signal after its end. */
    pthread_barrier_wait(&all);
    return NULL;
}

int main(void) {
    alarm(60);
    pid = getpid();
    handle(SIGUSR1, on_signal, SA_RESTART);
    handle(SIGRTMIN + 1, on_signal, SA_RESTART);
    ZERO(pthread_barrier_init(&all, NULL, THREADS));
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_create(&t[i], NULL, computes, (void *)(intptr_t)i));
    unsigned long sent = 0;
    for (int i = 0; i < THREADS; i++) {
        ZERO(pthread_join(t[i], NULL));
        sent += of[i].sent;
        say("%d: sent %lu, %lu steps, %016lx", i, of[i].sent, (unsigned long)of[i].steps, (unsigned long)of[i].hash);
    }
    int count = atomic_load(&handled);
    CHECK(count >= SIGNALS && (unsigned long)count <= sent);
    say("%d of %lu handled, order %016lx", count, sent, atomic_load(&order));
    return 0;
}
