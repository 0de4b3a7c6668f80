/* Two threads hand over to each other and wait by looking at a word, without a pause or a call: how often each looked. Where
 * only one runs at a time, a handover takes a slice, and after so many looks they leave it at fewer rounds. */
#include "guest.h"

#define ROUNDS 2000
#define LOOKS 120000000ul

static atomic_ulong turn;
static atomic_int enough;
static unsigned long handed;
static struct { unsigned long looks, rounds; uint64_t sum; char apart[64]; } seen[2];

static void *hands_over(void *argument) {
    unsigned me = (unsigned)(intptr_t)argument;
    unsigned long looks = 0, last = 0;
    uint64_t sum = me;
    for (unsigned long round = me; round < 2 * ROUNDS; round += 2) {
        while (atomic_load_explicit(&turn, memory_order_acquire) != round) {
            looks++;
            if (atomic_load_explicit(&enough, memory_order_relaxed))
                goto out;
            if (looks == LOOKS) {
                atomic_store(&enough, 1);
                goto out;
            }
        }
        CHECK(handed == round);
        handed++;
        sum = (sum ^ (looks - last)) * 0x100000001b3ull;
        last = looks;
        seen[me].rounds++;
        atomic_store_explicit(&turn, round + 1, memory_order_release);
    }
out:
    seen[me].looks = looks;
    seen[me].sum = sum;
    return NULL;
}

int main(void) {
    alarm(60);
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        ZERO(pthread_create(&t[i], NULL, hands_over, (void *)(intptr_t)i));
    for (int i = 0; i < 2; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK_EQ(seen[0].rounds + seen[1].rounds, handed);
    CHECK(seen[0].rounds - seen[1].rounds <= 1);
    for (int i = 0; i < 2; i++)
        say("%d: %lu rounds, %lu looks, %016lx", i, seen[i].rounds, seen[i].looks, (unsigned long)seen[i].sum);
    return 0;
}
