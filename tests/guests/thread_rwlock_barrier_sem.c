/* Read-write locks, barriers and semaphores, with exactly one serial thread per barrier round. */
#include "guest.h"
#include <semaphore.h>

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t slots;
static atomic_int serial, inside, most, readers;
static long value;

static void *work(void *argument) {
    int me = (int)(intptr_t)argument;
    for (int round = 0; round < 10; round++) {
        int r = pthread_barrier_wait(&barrier);
        CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
        if (r == PTHREAD_BARRIER_SERIAL_THREAD)
            atomic_fetch_add(&serial, 1);
        if ((round + me) % 5 == 0) {
            ZERO(pthread_rwlock_wrlock(&rw));
            CHECK_EQ(atomic_load(&readers), 0);
            value++;
            sched_yield();
            ZERO(pthread_rwlock_unlock(&rw));
        } else {
            ZERO(pthread_rwlock_rdlock(&rw));
            atomic_fetch_add(&readers, 1);
            long seen = value;
            sched_yield();
            CHECK_EQ(seen, value);
            atomic_fetch_sub(&readers, 1);
            ZERO(pthread_rwlock_unlock(&rw));
        }
        OK(sem_wait(&slots));
        int now = atomic_fetch_add(&inside, 1) + 1;
        CHECK(now <= 2);
        int high = atomic_load(&most);
        if (now > high)
            atomic_store(&most, now);
        sched_yield();
        atomic_fetch_sub(&inside, 1);
        OK(sem_post(&slots));
    }
    return NULL;
}

int main(void) {
    ZERO(pthread_barrier_init(&barrier, NULL, 5));
    OK(sem_init(&slots, 0, 2));
    pthread_t t[5];
    for (int i = 0; i < 5; i++)
        ZERO(pthread_create(&t[i], NULL, work, (void *)(intptr_t)i));
    for (int i = 0; i < 5; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK(atomic_load(&serial) == 10 && value == 10);
    say("at most %d in the section", atomic_load(&most));
    ZERO(pthread_rwlock_rdlock(&rw));
    CHECK_EQ(pthread_rwlock_trywrlock(&rw), EBUSY);
    ZERO(pthread_rwlock_unlock(&rw));
    OK(sem_wait(&slots));
    OK(sem_trywait(&slots));
    FAILS(sem_trywait(&slots), EAGAIN);
    struct timespec t0;
    OK(clock_gettime(CLOCK_REALTIME, &t0));
    FAILS(sem_timedwait(&slots, &t0), ETIMEDOUT);
    return 0;
}
