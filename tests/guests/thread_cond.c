/* Condition variables: producers and consumers, broadcast, timed waits on both clocks. */
#include "guest.h"

enum { ITEMS = 150, ROOM = 4 };
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static int queue[ROOM], count, produced, consumed;
static long shares[3];
static uint64_t sum;

static void *produce(void *unused) {
    (void)unused;
    for (;;) {
        ZERO(pthread_mutex_lock(&m));
        while (count == ROOM && produced < ITEMS)
            ZERO(pthread_cond_wait(&not_full, &m));
        if (produced == ITEMS) {
            ZERO(pthread_mutex_unlock(&m));
            return NULL;
        }
        queue[count++] = produced++;
        ZERO(pthread_cond_signal(&not_empty));
        ZERO(pthread_mutex_unlock(&m));
    }
}

static void *consume(void *argument) {
    for (;;) {
        ZERO(pthread_mutex_lock(&m));
        while (count == 0 && consumed < ITEMS)
            ZERO(pthread_cond_wait(&not_empty, &m));
        if (consumed == ITEMS) {
            ZERO(pthread_cond_broadcast(&not_empty));
            ZERO(pthread_cond_broadcast(&not_full));
            ZERO(pthread_mutex_unlock(&m));
            return NULL;
        }
        sum = sum * 31 + (uint64_t)queue[--count];
        if (++consumed == ITEMS) {
            ZERO(pthread_cond_broadcast(&not_empty));
            ZERO(pthread_cond_broadcast(&not_full));
        }
        shares[(intptr_t)argument]++;
        ZERO(pthread_cond_signal(&not_full));
        ZERO(pthread_mutex_unlock(&m));
    }
}

int main(void) {
    pthread_t p[2], c[3];
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&c[i], NULL, consume, (void *)(intptr_t)i));
    for (int i = 0; i < 2; i++)
        ZERO(pthread_create(&p[i], NULL, produce, NULL));
    for (int i = 0; i < 2; i++)
        ZERO(pthread_join(p[i], NULL));
    for (int i = 0; i < 3; i++)
        ZERO(pthread_join(c[i], NULL));
    CHECK_EQ(shares[0] + shares[1] + shares[2], ITEMS);
    say("shares %ld %ld %ld, order %016lx", shares[0], shares[1], shares[2], (unsigned long)sum);

    struct timespec t;
    OK(clock_gettime(CLOCK_REALTIME, &t));
    t.tv_nsec += 3000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    ZERO(pthread_mutex_lock(&m));
    CHECK_EQ(pthread_cond_timedwait(&not_empty, &m, &t), ETIMEDOUT);
    pthread_condattr_t a;
    pthread_cond_t on_monotonic;
    ZERO(pthread_condattr_init(&a));
    ZERO(pthread_condattr_setclock(&a, CLOCK_MONOTONIC));
    ZERO(pthread_cond_init(&on_monotonic, &a));
    OK(clock_gettime(CLOCK_MONOTONIC, &t));
    CHECK_EQ(pthread_cond_timedwait(&on_monotonic, &m, &t), ETIMEDOUT);
    ZERO(pthread_mutex_unlock(&m));
    return 0;
}
