/* The allocator under threads: arenas, trims, reallocations; addresses are printed as a hash. */
#include "guest.h"

static void *churn(void *argument) {
    unsigned x = (unsigned)(uintptr_t)argument * 977 + 1;
    void *slots[64] = {0};
    uint64_t h = 0;
    for (int i = 0; i < 3000; i++) {
        x = x * 1664525u + 1013904223u;
        unsigned k = x >> 26;
        size_t size = (x >> 8) % ((x & 0xff) == 0 ? 300000 : 600) + 1;
        if (x & 1) {
            slots[k] = realloc(slots[k], size);
            CHECK(slots[k]);
            memset(slots[k], (int)k, size < 100 ? size : 100);
        } else {
            free(slots[k]);
            slots[k] = calloc(1, size);
            CHECK(slots[k] && *(char *)slots[k] == 0);
        }
        h = h * 31 + (uintptr_t)slots[k];
        if (i % 300 == 0)
            sched_yield();
    }
    for (int i = 0; i < 64; i++)
        free(slots[i]);
    return (void *)(uintptr_t)h;
}

int main(void) {
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&t[i], NULL, churn, (void *)(intptr_t)(i + 1)));
    for (int i = 0; i < 3; i++) {
        void *h;
        ZERO(pthread_join(t[i], &h));
        say("addresses %016lx", (unsigned long)(uintptr_t)h);
    }
    say("main %016lx", (unsigned long)(uintptr_t)churn((void *)9));
    return 0;
}
