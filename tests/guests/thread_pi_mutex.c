/* A priority-inheritance mutex under contention between threads: FUTEX_LOCK_PI and UNLOCK_PI. */
#include "guest.h"

static pthread_mutex_t m;
static int inside;
static long total;

static void *worker(void *argument) {
    for (int i = 0; i < 30; i++) {
        ZERO(pthread_mutex_lock(&m));
        CHECK_EQ(inside, 0);
        inside = 1;
        sched_yield();
        if (i % 10 == 0)
            sleep_ms(1);
        total = total * 31 + (intptr_t)argument;
        inside = 0;
        ZERO(pthread_mutex_unlock(&m));
        sched_yield();
    }
    return NULL;
}

int main(void) {
    pthread_mutexattr_t a;
    ZERO(pthread_mutexattr_init(&a));
    ZERO(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
    ZERO(pthread_mutex_init(&m, &a));
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&t[i], NULL, worker, (void *)(intptr_t)(i + 1)));
    for (int i = 0; i < 3; i++)
        ZERO(pthread_join(t[i], NULL));
    say("order %016lx", (unsigned long)total);
    return 0;
}
