/* Addresses are drawn anew by each execve: stack, heap, libraries, the program, the vDSO, and fresh maps. */
#include "guest.h"
#include <sys/auxv.h>
#include <sys/personality.h>

static int data = 1;

int main(int argc, char **argv) {
    int local = 0, round = argc == 2 ? atoi(argv[1]) : 0;
    char *heap = malloc(100), *big = malloc(1 << 20);
    CHECK(heap && big);
    void *map = OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    uint64_t random[2];
    memcpy(random, (void *)getauxval(AT_RANDOM), sizeof random);
    say("%d: program %p data %p heap %p break %p big %p map %p library %p stack %p vdso %#lx random %016lx", round,
        (void *)main, (void *)&data, (void *)heap, sbrk(0), (void *)big, map, (void *)strtol, (void *)&local,
        getauxval(AT_SYSINFO_EHDR), (unsigned long)random[0]);
    /* Order by address is a decision that such values make. */
    const void *order[] = {(void *)main, heap, big, map, (void *)strtol, &local};
    unsigned decision = 0;
    for (unsigned i = 0; i < 6; i++)
        for (unsigned k = 0; k < i; k++)
            decision = decision * 2 + (order[i] < order[k]);
    for (unsigned i = 0; i < ((uintptr_t)map >> 12) % 7; i++)
        sched_yield();
    say("decision %x, personality %x", decision, personality(~0u));
    if (round < 4) {
        /* The last ones without randomness. */
        if (round == 2)
            personality(ADDR_NO_RANDOMIZE);
        char next[12];
        snprintf(next, sizeof next, "%d", round + 1);
        char *const arguments[] = {argv[0], next, NULL};
        execv("/proc/self/exe", arguments);
        return 1;
    }
    return 0;
}
