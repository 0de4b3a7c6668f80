/* Bytes below the stack pointer after a lazily bound call: ld.so leaves an XSAVE image there. */
#include "guest.h"
#include <ctype.h>

/* Reads below its own frame on purpose: a program may print uninitialised memory. */
__attribute__((noinline)) static uint64_t below(void) {
    uint64_t h = 0xcbf29ce484222325ull;
    unsigned char *top = (unsigned char *)__builtin_frame_address(0) - 128;
    for (long i = 0; i < 8192; i++) {
        unsigned char byte = *(volatile unsigned char *)(top - i);
        h = (h ^ byte) * 0x100000001b3ull;
    }
    return h;
}

int main(void) {
    /* Touches the pages first, so that reading them is no stack overflow. */
    volatile char room[16384];
    for (unsigned i = 0; i < sizeof room; i += 512)
        room[i] = (char)i;
    uint64_t first = below();
    double x = strtod("3.25", NULL);
    uint64_t second = below();
    char *copy = strdup("lazily bound");
    uint64_t third = below();
    CHECK(x == 3.25 && copy);
    say("%016lx %016lx %016lx", (unsigned long)first, (unsigned long)second, (unsigned long)third);
    void *volatile p = malloc(5000);
    unsigned char *bytes = p;
    say("fresh heap %016lx", (unsigned long)hash(bytes, 5000));
    free(p);
    unsigned char local[2000];
    unsigned char *volatile hidden = local;
    say("fresh stack %016lx", (unsigned long)hash(hidden, sizeof local));
    return 0;
}
