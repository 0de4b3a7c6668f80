/* A condition variable over priority-inheritance futexes: WAIT_REQUEUE_PI and CMP_REQUEUE_PI, and a PI owner that dies. */
#include "guest.h"
#include <linux/futex.h>

enum { WAITERS = 3 };
static _Atomic uint32_t mutex_word, condition;
static int order[WAITERS], finished;

static void lock(void) {
    uint32_t free_word = 0, me = (uint32_t)syscall(SYS_gettid);
    if (!atomic_compare_exchange_strong(&mutex_word, &free_word, me))
        OK(syscall(SYS_futex, &mutex_word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    CHECK_EQ(mutex_word & FUTEX_TID_MASK, me);
}

static void unlock(void) {
    uint32_t me = (uint32_t)syscall(SYS_gettid);
    if (!atomic_compare_exchange_strong(&mutex_word, &me, 0))
        OK(syscall(SYS_futex, &mutex_word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
}

static _Atomic int waiting;
static void *waits(void *argument) {
    lock();
    uint32_t seen = condition;
    atomic_fetch_add(&waiting, 1);
    unlock();
    long r = syscall(SYS_futex, &condition, FUTEX_WAIT_REQUEUE_PI, seen, NULL, &mutex_word, 0);
    if (r != 0) {
        /* The broadcast came first. */
        CHECK_EQ(errno, EAGAIN);
        lock();
    }
    CHECK_EQ(mutex_word & FUTEX_TID_MASK, syscall(SYS_gettid));
    order[finished++] = (int)(intptr_t)argument;
    unlock();
    return NULL;
}

static void *dies(void *robust) {
    pthread_mutex_t *m = robust;
    ZERO(pthread_mutex_lock(m));
    return NULL;
}

int main(void) {
    pthread_t threads[WAITERS];
    for (intptr_t i = 0; i < WAITERS; i++)
        ZERO(pthread_create(&threads[i], NULL, waits, (void *)i));
    while (atomic_load(&waiting) < WAITERS)
        sched_yield();
    sleep_ms(5);
    lock();
    uint32_t seen = atomic_fetch_add(&condition, 1) + 1;
    long moved = OK(syscall(SYS_futex, &condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)INT_MAX, &mutex_word, seen));
    say("moved %ld, word waits %d", moved, (mutex_word & FUTEX_WAITERS) != 0);
    unlock();
    for (int i = 0; i < WAITERS; i++)
        ZERO(pthread_join(threads[i], NULL));
    CHECK_EQ(finished, WAITERS);
    CHECK_EQ(mutex_word, 0);
    say("order %d %d %d", order[0], order[1], order[2]);

    pthread_mutexattr_t a;
    pthread_mutex_t m;
    ZERO(pthread_mutexattr_init(&a));
    ZERO(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
    ZERO(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
    ZERO(pthread_mutex_init(&m, &a));
    pthread_t t;
    for (int i = 0; i < 2; i++) {
        ZERO(pthread_create(&t, NULL, dies, &m));
        ZERO(pthread_join(t, NULL));
        CHECK_EQ(pthread_mutex_lock(&m), EOWNERDEAD);
        say("lock word %08x after the owner's death", (unsigned)m.__data.__lock & (unsigned)~FUTEX_TID_MASK);
        ZERO(pthread_mutex_consistent(&m));
        ZERO(pthread_mutex_unlock(&m));
    }
    FAILS(syscall(SYS_futex, &mutex_word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), EPERM);
    mutex_word = 0x3ffffff0;
    FAILS(syscall(SYS_futex, &mutex_word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), ESRCH);
    say("word %08x", (unsigned)mutex_word);
    return 0;
}
