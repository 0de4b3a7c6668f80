/* CPUID leaves and XGETBV; what they say is printed and must be the same at replay. */
#include "guest.h"
#include <cpuid.h>

int main(void) {
    unsigned a, b, c, d;
    unsigned top = __get_cpuid_max(0, NULL);
    CHECK(top >= 1);
    uint64_t sum = 0;
    for (unsigned leaf = 0; leaf <= top && leaf < 0x20; leaf++) {
        __cpuid_count(leaf, 0, a, b, c, d);
        /* Leaf 1 and 0xb carry the number of the CPU that answers, leaf 0xd what is enabled. */
        unsigned words[4] = {a, leaf == 1 ? b & 0xffffff : b, c, leaf == 0xb || leaf == 0x1f ? 0 : d};
        sum = sum * 31 + hash(words, sizeof words);
    }
    __cpuid(0, a, b, c, d);
    char vendor[13] = {0};
    memcpy(vendor, &b, 4);
    memcpy(vendor + 4, &d, 4);
    memcpy(vendor + 8, &c, 4);
    say("vendor %s leaves %016lx", vendor, (unsigned long)sum);
    __cpuid(1, a, b, c, d);
    if (c & bit_OSXSAVE) {
        unsigned low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        say("xcr0 %x", low);
        CHECK(low & 1);
    }
    say("avx %d avx2 %d", __builtin_cpu_supports("avx") != 0, __builtin_cpu_supports("avx2") != 0);
    return 0;
}
