/* The processor's number by instructions: RDPID, RDTSCP's third register, and the limit of a segment. */
#include "guest.h"
#include <cpuid.h>

int main(void) {
    unsigned a, b, c = 0, d, limit = 0, aux = 0;
    for (int i = 0; i < 5; i++) {
        /* The kernel keeps the number there for processors without the instructions. */
        __asm__ volatile("lsl %1, %0" : "=r"(limit) : "r"(0x7bu) : "cc");
        unsigned low, high;
        __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
        uint64_t number = 0;
        if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & 1u << 22))
            __asm__ volatile("rdpid %0" : "=r"(number));
        say("limit %#x, aux %#x, rdpid %#lx, call %d", limit, aux, (unsigned long)number, sched_getcpu());
        sleep_ms(1);
    }
    return 0;
}
