/* The time stamp counter read by rdtsc and rdtscp is input like any other clock. */
#include "guest.h"
#include <cpuid.h>

static uint64_t rdtsc(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static uint64_t rdtscp(uint32_t *aux) {
    uint32_t low, high;
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(*aux));
    return (uint64_t)high << 32 | low;
}

int main(void) {
    uint64_t first = rdtsc(), last = first, sum = 0;
    for (int i = 0; i < 50; i++) {
        uint64_t t = rdtsc();
        CHECK(t >= last);
        sum = sum * 31 + (t - last);
        last = t;
    }
    say("first %lu last %lu differences %016lx", (unsigned long)first, (unsigned long)last, (unsigned long)sum);
    unsigned a, b, c, d;
    if (__get_cpuid(0x80000001, &a, &b, &c, &d) && (d & 1u << 27)) {
        uint32_t aux = 0;
        uint64_t t = rdtscp(&aux);
        CHECK(t >= last);
        say("rdtscp %lu aux %#x", (unsigned long)t, aux);
        /* All other registers must survive the instruction, wherever it is executed. */
        uint64_t rbx = 0x1234567890abcdef, r15 = 0xfedcba0987654321;
        __asm__ volatile("rdtscp" : "+b"(rbx) : : "rax", "rcx", "rdx", "memory");
        CHECK(rbx == 0x1234567890abcdef && r15 == 0xfedcba0987654321);
    }
    /* The counter goes on over a sleep. */
    uint64_t before = rdtsc();
    sleep_ms(2);
    CHECK(rdtsc() > before);
    return 0;
}
