/* Mutexes of every type under contention; trylock, timedlock, recursion, error checking. */
#include "guest.h"

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static long counter, order_sum;

static void *adder(void *argument) {
    for (int i = 0; i < 200; i++) {
        ZERO(pthread_mutex_lock(&plain));
        long seen = counter;
        if (i % 16 == 0)
            sched_yield();
        counter = seen + 1;
        order_sum = order_sum * 31 + (intptr_t)argument;
        ZERO(pthread_mutex_unlock(&plain));
        if (i % 8 == 0)
            sched_yield();
    }
    return NULL;
}

static pthread_mutex_t timed = PTHREAD_MUTEX_INITIALIZER;
static void *waits(void *unused) {
    (void)unused;
    struct timespec t;
    OK(clock_gettime(CLOCK_REALTIME, &t));
    t.tv_nsec += 5000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    CHECK_EQ(pthread_mutex_trylock(&timed), EBUSY);
    CHECK_EQ(pthread_mutex_timedlock(&timed, &t), ETIMEDOUT);
    return NULL;
}

int main(void) {
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&t[i], NULL, adder, (void *)(intptr_t)i));
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK_EQ(counter, 800);
    say("order %016lx", (unsigned long)order_sum);

    ZERO(pthread_mutex_lock(&timed));
    ZERO(pthread_create(&t[0], NULL, waits, NULL));
    ZERO(pthread_join(t[0], NULL));
    pthread_mutexattr_t a;
    pthread_mutex_t m;
    ZERO(pthread_mutexattr_init(&a));
    ZERO(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE));
    ZERO(pthread_mutex_init(&m, &a));
    ZERO(pthread_mutex_lock(&m));
    ZERO(pthread_mutex_lock(&m));
    ZERO(pthread_mutex_unlock(&m));
    ZERO(pthread_mutex_unlock(&m));
    ZERO(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK));
    ZERO(pthread_mutex_init(&m, &a));
    ZERO(pthread_mutex_lock(&m));
    CHECK_EQ(pthread_mutex_lock(&m), EDEADLK);
    ZERO(pthread_mutex_unlock(&m));
    CHECK_EQ(pthread_mutex_unlock(&m), EPERM);
    ZERO(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
    ZERO(pthread_mutex_init(&m, &a));
    ZERO(pthread_mutex_lock(&m));
    ZERO(pthread_mutex_unlock(&m));
    pthread_spinlock_t spin;
    ZERO(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE));
    ZERO(pthread_spin_lock(&spin));
    CHECK_EQ(pthread_spin_trylock(&spin), EBUSY);
    ZERO(pthread_spin_unlock(&spin));
    return 0;
}
