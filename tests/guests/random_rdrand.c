/* rdrand and rdseed, only if CPUID says that they exist: what they give is input. */
#include "guest.h"
#include <cpuid.h>

int main(void) {
    unsigned a, b, c = 0, d;
    CHECK(__get_cpuid(1, &a, &b, &c, &d));
    int has_rdrand = (c >> 30) & 1;
    b = 0;
    __get_cpuid_count(7, 0, &a, &b, &c, &d);
    int has_rdseed = (b >> 18) & 1;
    say("rdrand %d rdseed %d", has_rdrand, has_rdseed);
    for (int i = 0; has_rdrand && i < 4; i++) {
        unsigned long value = 0;
        unsigned char ok = 0;
        for (int tries = 0; tries < 100 && !ok; tries++)
            __asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(ok) : : "cc");
        say("rdrand %d %lx", ok, value);
    }
    for (int i = 0; has_rdseed && i < 4; i++) {
        unsigned int value = 0;
        unsigned char ok = 0;
        __asm__ volatile("rdseed %0; setc %1" : "=r"(value), "=qm"(ok) : : "cc");
        say("rdseed %d %x", ok, value);
    }
    return 0;
}
