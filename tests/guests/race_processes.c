/* Two processes add to counters in memory that they share, without a lock, and wait for each other by looking at it. */
#include "guest.h"
#include <sys/ipc.h>
#include <sys/shm.h>

#define ROUNDS 4000000ul

struct shared {
    volatile unsigned long counter;
    atomic_int here, done;
    unsigned long looks, last;
    uint64_t computed;
};

static struct shared *map, *segment;

static uint64_t adds(uint64_t x) {
    for (unsigned long i = 0; i < ROUNDS; i++) {
        volatile unsigned long *counter = i & 1 ? &map->counter : &segment->counter;
        unsigned long seen = *counter;
        x = x * 6364136223846793005ull + 1442695040888963407ull + seen;
        for (uint64_t k = x >> 60; k > 0; k--)
            x ^= x & 0x10000 ? x >> 7 : x << 3;
        *counter = seen + 1;
    }
    return x;
}

/* Both are there; where only one runs at a time, this takes a slice. */
static unsigned long meets(void) {
    unsigned long looks = 0;
    atomic_fetch_add(&map->here, 1);
    while (atomic_load(&map->here) < 2)
        looks++;
    return looks;
}

int main(void) {
    alarm(60);
    map = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    int id = OK(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600));
    segment = OK(shmat(id, NULL, 0));
    OK(shmctl(id, IPC_RMID, NULL));
    pid_t pid = OK(fork());
    if (pid == 0) {
        alarm(60);
        map->looks = meets();
        map->computed = adds(1);
        map->last = segment->counter;
        atomic_store(&segment->done, 1);
        _exit(7);
    }
    unsigned long before = meets(), after = 0;
    uint64_t computed = adds(2);
    unsigned long last = segment->counter;
    while (!atomic_load(&segment->done))
        after++;
    expect_exit(pid, 7);
    CHECK(map->counter > 0 && map->counter <= ROUNDS && segment->counter > 0 && segment->counter <= ROUNDS);
    say("%lu in the map, %lu in the segment, of %lu each", map->counter, segment->counter, ROUNDS);
    say("looks %lu %lu, at the end %lu %lu, then %lu looks", map->looks, before, map->last, last, after);
    say("computed %016lx %016lx", (unsigned long)map->computed, (unsigned long)computed);
    return 0;
}
