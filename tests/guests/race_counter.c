/* Four threads add to one counter without a lock: what each loses depends on where exactly its slices end. */
#include "guest.h"

#define THREADS 4
#define ROUNDS 14000000

static volatile unsigned long counter;
static unsigned long noticed[THREADS];
static uint64_t computed[THREADS];

static void *adds(void *argument) {
    unsigned id = (unsigned)(intptr_t)argument;
    uint64_t x = id;
    unsigned long before = 0;
    for (int i = 0; i < ROUNDS; i++) {
        unsigned long seen = counter;
        if (seen != before)
            noticed[id]++;
        x = x * 6364136223846793005ull + 1442695040888963407ull + seen;
        /* A little work, of a length that differs, between the read and the write. */
        for (uint64_t k = x >> 60; k > 0; k--)
            x ^= x & 0x10000 ? x >> 7 : x << 3;
        counter = before = seen + 1;
    }
    computed[id] = x;
    return NULL;
}

int main(void) {
    alarm(60);
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_create(&t[i], NULL, adds, (void *)(intptr_t)i));
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK(counter > 0 && counter <= (unsigned long)THREADS * ROUNDS);
    for (int i = 0; i < THREADS; i++)
        say("%d: noticed the others %lu times, computed %016lx", i, noticed[i], (unsigned long)computed[i]);
    say("%lu of %lu", counter, (unsigned long)THREADS * ROUNDS);
    return 0;
}
