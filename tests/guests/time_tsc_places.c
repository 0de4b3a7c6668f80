/* The time stamp counter is read by instructions in functions, behind a jump table with -DTABLE; what looks the same
 * in constants and in data among the code stays what it is. Other clocks are read between. */
#include "guest.h"
#include <sys/time.h>

__asm__(".text\n"
        ".type constant, @function\nconstant: .cfi_startproc\n mov $0xf9010f31, %eax\n mov $0x310f310f, %ecx\n xor %ecx, %eax\n ret\n"
        ".cfi_endproc\n.size constant, .-constant\n"
        ".type jumped, @function\njumped: .cfi_startproc\n jmp 1f\n"
        "table: .byte 0x0f, 0x31, 0x0f, 0x31, 0x0f, 0x01, 0xf9, 0x90\n"
        "1: mov table(%rip), %rax\n ret\n"
        ".cfi_endproc\n.size jumped, .-jumped\n");

extern uint64_t constant(void), jumped(void);

static uint64_t rdtsc(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

#ifdef TABLE
__attribute__((noinline)) static uint64_t chosen(int which) {
    static const void *const places[] = {&&zero, &&counter, &&two};
    uint32_t low = 0, high = 0;
    goto *places[which];
zero:
    return 7;
counter:
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
two:
    return 9;
}
#endif

static uint64_t clock_ns(clockid_t clock) {
    struct timespec t;
    OK(clock_gettime(clock, &t));
    CHECK(t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(void) {
    const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_TAI};
    uint64_t last[5] = {0}, counter = 0, sum = 0;
    for (int i = 0; i < 5000; i++) {
        uint64_t now = clock_ns(clocks[i % 5]);
        CHECK(now >= last[i % 5]);
        last[i % 5] = now;
        sum = sum * 31 + now;
        if (i % 250 == 0) {
            uint64_t read = rdtsc();
            CHECK(read > counter);
            counter = read;
            sum = sum * 31 + read;
        }
    }
    struct timeval v;
    OK(gettimeofday(&v, NULL));
    uint64_t us = (uint64_t)v.tv_sec * 1000000 + (uint64_t)v.tv_usec;
    CHECK(v.tv_usec >= 0 && v.tv_usec < 1000000 && us >= last[1] / 1000 && us < last[1] / 1000 + 60000000);
    CHECK(time(NULL) >= v.tv_sec - 1);
    uint64_t coarse = clock_ns(CLOCK_MONOTONIC_COARSE);
    CHECK(coarse <= clock_ns(CLOCK_MONOTONIC));
    CHECK_EQ(constant(), 0xf9010f31 ^ 0x310f310f);
    CHECK_EQ(jumped(), 0x90f9010f310f310f);
#ifdef TABLE
    CHECK(chosen(0) == 7 && chosen(2) == 9);
    uint64_t other = chosen(1);
    CHECK(other > counter);
    sum = sum * 31 + other;
#endif
    say("%016lx %lu %lu", (unsigned long)sum, (unsigned long)counter, (unsigned long)us);
    return 0;
}
