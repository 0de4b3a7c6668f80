/* Lock-free counters and a ticket lock that yields: shared memory order between threads. */
#include "guest.h"

static atomic_long counter, tickets, serving;
static long guarded;
static uint64_t order;

static void *work(void *argument) {
    for (int i = 0; i < 50; i++) {
        atomic_fetch_add(&counter, 1);
        long mine = atomic_fetch_add(&tickets, 1);
        while (atomic_load(&serving) != mine)
            sched_yield();
        guarded++;
        order = order * 31 + (uint64_t)(intptr_t)argument;
        if (i % 5 == 0)
            sched_yield();
        atomic_store(&serving, mine + 1);
        long expected = atomic_load(&counter);
        while (!atomic_compare_exchange_weak(&counter, &expected, expected + 1))
            sched_yield();
        if (i % 3 == (intptr_t)argument % 3)
            sched_yield();
    }
    return NULL;
}

int main(void) {
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&t[i], NULL, work, (void *)(intptr_t)i));
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK(atomic_load(&counter) == 400 && guarded == 200);
    say("order %016lx", (unsigned long)order);
    return 0;
}
