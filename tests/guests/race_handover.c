/* Two threads hand over to each other and wait by looking at a word, without a pause or a call: how often each looked. */
#include "guest.h"

#define ROUNDS 2000

static atomic_ulong turn;
static unsigned long handed;
static struct { unsigned long looks, rounds; uint64_t sum; char apart[64]; } seen[2];

static void *hands_over(void *argument) {
    unsigned me = (unsigned)(intptr_t)argument;
    unsigned long looks = 0, last = 0;
    uint64_t sum = me;
    for (unsigned long round = me; round < 2 * ROUNDS; round += 2) {
        while (atomic_load_explicit(&turn, memory_order_acquire) != round)
            looks++;
        CHECK(handed == round);
        handed++;
        sum = (sum ^ (looks - last)) * 0x100000001b3ull;
        last = looks;
        seen[me].rounds++;
        atomic_store_explicit(&turn, round + 1, memory_order_release);
    }
    seen[me].looks = looks;
    seen[me].sum = sum;
    return NULL;
}

int main(void) {
    limits_time();
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        ZERO(pthread_create(&t[i], NULL, hands_over, (void *)(intptr_t)i));
    for (int i = 0; i < 2; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK_EQ(handed, 2 * ROUNDS);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(seen[i].rounds, ROUNDS);
        say("%d: %lu looks, %016lx", i, seen[i].looks, (unsigned long)seen[i].sum);
    }
    return 0;
}
