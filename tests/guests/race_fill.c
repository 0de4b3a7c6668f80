/* Threads that fill and copy memory with instructions that repeat, of milliseconds each, and lose the CPU in the middle. */
#include "guest.h"

#define BYTES (16ul << 20)
#define ROUNDS 200

static unsigned char *from, *to;
static volatile unsigned rounds;
static volatile sig_atomic_t over;

static void *fills(void *unused) {
    for (unsigned i = 0; i < ROUNDS; i++) {
        void *at = from;
        unsigned long left = BYTES;
        __asm__ volatile("rep stosb" : "+D"(at), "+c"(left) : "a"(i) : "memory");
        const void *source = from;
        at = to, left = BYTES / 8;
        __asm__ volatile("rep movsq" : "+D"(at), "+S"(source), "+c"(left) : : "memory");
        /* Between them, too. */
        for (volatile unsigned k = 0; k < 2000000; k++)
            ;
        rounds = i + 1;
    }
    over = 1;
    return unused;
}

int main(void) {
    alarm(60);
    from = mmap(NULL, 2 * BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(from != MAP_FAILED);
    to = from + BYTES;
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, fills, NULL));
    uint64_t seen = 0;
    while (!over) {
        ZERO(usleep(3000));
        seen = seen * 31 + rounds * 256 + to[BYTES - 1];
    }
    ZERO(pthread_join(thread, NULL));
    say("%u rounds, seen %016lx, %d", rounds, seen, to[BYTES / 2]);
    return 0;
}
