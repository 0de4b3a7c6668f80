/* Locks that spin, made of loads and stores (Peterson) and of tickets: they exclude, and how long each thread waits depends on
 * where the slices of the others end. */
#include "guest.h"

#define ROUNDS 30000
/* A ticket that is not one's turn may cost a slice: no more rounds after so many looks. */
#define LOOKS 25000000ul

struct lock {
    void (*work)(unsigned me, unsigned long *looks, uint64_t *x);
    unsigned threads;
    volatile unsigned long guarded;
    struct { unsigned long rounds, waits, looks, computed; char apart[64]; } of[3];
};

static atomic_int wants[2], last;
static atomic_ulong tickets, serving;

/* Takes a time that differs. */
static uint64_t computes(uint64_t x) {
    x = x * 6364136223846793005ull + 1442695040888963407ull;
    for (uint64_t k = x >> 54; k > 0; k--)
        x ^= x & 0x10000 ? x >> 7 : x << 3;
    return x;
}

static struct lock peterson, ticket;

static void adds(struct lock *lock, uint64_t *x) {
    unsigned long seen = lock->guarded;
    *x = computes(*x ^ seen);
    lock->guarded = seen + 1;
}

static void with_peterson(unsigned me, unsigned long *looks, uint64_t *x) {
    unsigned other = 1 - me;
    atomic_store(&wants[me], 1);
    atomic_store(&last, (int)me);
    while (atomic_load(&wants[other]) && atomic_load(&last) == (int)me)
        ++*looks;
    adds(&peterson, x);
    atomic_store(&wants[me], 0);
}

static void with_ticket(unsigned me, unsigned long *looks, uint64_t *x) {
    (void)me;
    unsigned long mine = atomic_fetch_add(&tickets, 1);
    while (atomic_load(&serving) != mine)
        ++*looks;
    adds(&ticket, x);
    atomic_store(&serving, mine + 1);
}

static struct lock peterson = {.work = with_peterson, .threads = 2}, ticket = {.work = with_ticket, .threads = 3};
struct one { struct lock *lock; unsigned me; };

static void *locks(void *argument) {
    const struct one *one = argument;
    unsigned long looks = 0, waits = 0, rounds = 0;
    uint64_t x = one->me;
    while (rounds < ROUNDS && looks < LOOKS) {
        unsigned long before = looks;
        one->lock->work(one->me, &looks, &x);
        waits += looks != before;
        rounds++;
        x = computes(x);
    }
    one->lock->of[one->me].rounds = rounds;
    one->lock->of[one->me].waits = waits;
    one->lock->of[one->me].looks = looks;
    one->lock->of[one->me].computed = x;
    return NULL;
}

static void try(struct lock *lock, const char *name) {
    pthread_t t[3];
    struct one one[3];
    for (unsigned i = 0; i < lock->threads; i++) {
        one[i] = (struct one){lock, i};
        ZERO(pthread_create(&t[i], NULL, locks, &one[i]));
    }
    unsigned long rounds = 0;
    for (unsigned i = 0; i < lock->threads; i++) {
        ZERO(pthread_join(t[i], NULL));
        rounds += lock->of[i].rounds;
        say("%s %u: %lu rounds, waited in %lu, looked %lu times, computed %016lx", name, i, lock->of[i].rounds, lock->of[i].waits,
            lock->of[i].looks, lock->of[i].computed);
    }
    CHECK_EQ(lock->guarded, rounds);
}

int main(void) {
    alarm(60);
    try(&peterson, "Peterson");
    try(&ticket, "ticket");
    return 0;
}
