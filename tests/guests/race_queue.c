/* A queue without locks (Michael and Scott's), two threads that put in and two that take out: nothing lost, doubled or
 * overtaken; the order in which they met is printed. */
#include "guest.h"

#define EACH 60000
#define ITEMS (2 * EACH)

/* A node is never used twice. Node 0 is the dummy that the queue begins with. */
static struct { _Atomic uint32_t next; uint32_t item, taken_by; } node[ITEMS + 1];
static _Atomic uint32_t head, tail;
static atomic_ulong taken;
static struct { unsigned long count, failed, empty; uint64_t order, computed; char apart[64]; } side[4];

/* Takes a time that differs. */
static uint64_t computes(uint64_t x) {
    x = x * 6364136223846793005ull + 1442695040888963407ull;
    for (uint64_t k = x >> 54; k > 0; k--)
        x ^= x & 0x10000 ? x >> 7 : x << 3;
    return x;
}

static void *puts_in(void *argument) {
    unsigned me = (unsigned)(intptr_t)argument;
    uint64_t x = me;
    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t new = 1 + me * EACH + i;
        node[new].item = new;
        for (;;) {
            uint32_t end = atomic_load(&tail), next = atomic_load(&node[end].next);
            if (next != 0) {
                atomic_compare_exchange_strong(&tail, &end, next);
                side[me].failed++;
            } else if (atomic_compare_exchange_strong(&node[end].next, &next, new)) {
                atomic_compare_exchange_strong(&tail, &end, new);
                break;
            } else {
                side[me].failed++;
            }
        }
        side[me].count++;
        x = computes(x);
    }
    side[me].computed = x;
    return NULL;
}

static void *takes_out(void *argument) {
    unsigned me = (unsigned)(intptr_t)argument;
    uint64_t x = me;
    uint32_t last[2] = {0, 0};
    while (atomic_load(&taken) < ITEMS) {
        uint32_t first = atomic_load(&head), end = atomic_load(&tail), next = atomic_load(&node[first].next);
        if (next == 0) {
            side[me].empty++;
            continue;
        }
        if (first == end) {
            atomic_compare_exchange_strong(&tail, &end, next);
            continue;
        }
        if (!atomic_compare_exchange_strong(&head, &first, next)) {
            side[me].failed++;
            continue;
        }
        uint32_t item = node[next].item, by = (item - 1) / EACH;
        CHECK(item > last[by]);
        last[by] = item;
        node[next].taken_by = me;
        side[me].count++;
        /* Since when the other one has taken how many. */
        side[me].order = (side[me].order ^ item ^ atomic_fetch_add(&taken, 1) << 32) * 0x100000001b3ull;
        x = computes(x);
    }
    side[me].computed = x;
    return NULL;
}

int main(void) {
    alarm(60);
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&t[i], NULL, i % 2 ? takes_out : puts_in, (void *)(intptr_t)(i % 2 ? 2 + i / 2 : i / 2)));
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(t[i], NULL));
    uint32_t last[2] = {0, EACH};
    uint64_t h = 0;
    unsigned long count = 0;
    for (uint32_t at = atomic_load(&node[0].next); at != 0; at = atomic_load(&node[at].next)) {
        unsigned by = (node[at].item - 1) / EACH;
        CHECK_EQ(node[at].item, last[by] + 1);
        last[by]++;
        CHECK(node[at].taken_by == 2 || node[at].taken_by == 3);
        h = (h ^ node[at].item * 4ull ^ node[at].taken_by) * 0x100000001b3ull;
        count++;
    }
    CHECK_EQ(count, ITEMS);
    CHECK_EQ(side[2].count + side[3].count, ITEMS);
    for (int i = 0; i < 4; i++)
        say("%d: %lu items, failed %lu times, found nothing %lu times, order %016lx, computed %016lx", i, side[i].count,
            side[i].failed, side[i].empty, (unsigned long)side[i].order, (unsigned long)side[i].computed);
    say("order in all %016lx", (unsigned long)h);
    return 0;
}
