/* A thread that searches and compares memory with instructions that repeat, of many milliseconds each, and loses the CPU
   in the middle. */
#include "guest.h"

#define BYTES (96ul << 20)
#define ROUNDS 12

static const unsigned char *zeros;
static volatile unsigned rounds;
static volatile sig_atomic_t over;

static void *scans(void *unused) {
    for (unsigned i = 0; i < ROUNDS; i++) {
        const void *at = zeros;
        unsigned long left = BYTES;
        __asm__ volatile("repe scasb" : "+D"(at), "+c"(left) : "a"(0) : "memory", "cc");
        CHECK(left == 0 && at == zeros + BYTES);
        const void *other = zeros;
        at = zeros, left = BYTES / 8;
        __asm__ volatile("repe cmpsq" : "+D"(at), "+S"(other), "+c"(left) : : "memory", "cc");
        CHECK(left == 0 && at == zeros + BYTES && other == at);
        rounds = i + 1;
    }
    over = 1;
    return unused;
}

int main(void) {
    alarm(60);
    /* Nobody writes to it: however large, it is no part of anybody's state. */
    zeros = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(zeros != MAP_FAILED);
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, scans, NULL));
    uint64_t seen = 0, turns = 0;
    while (!over) {
        ZERO(usleep(3000));
        seen = seen * 31 + rounds;
        turns++;
    }
    ZERO(pthread_join(thread, NULL));
    say("%u rounds, seen %016lx in %lu turns", rounds, seen, turns);
    return 0;
}
