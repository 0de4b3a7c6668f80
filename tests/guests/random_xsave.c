/*
 * Which parts of the vector state are in use is told by XGETBV(1), and by the header and the untouched
 * bytes of what XSAVEC stores, which ld.so leaves below the stack on every lazily bound call.
 */
#include "guest.h"
#include <cpuid.h>
#include <immintrin.h>
#include <ucontext.h>

static uint64_t in_use(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
    return (uint64_t)high << 32 | low;
}

static unsigned char area[16384] __attribute__((aligned(64)));
static uint64_t saved(void) {
    memset(area, 0x5a, sizeof area);
    memset(area + 512, 0, 64);
    uint32_t low = ~0u, high = ~0u;
    __asm__ volatile("xsavec64 %0" : "+m"(area) : "a"(low), "d"(high) : "memory");
    return hash(area, sizeof area);
}

__attribute__((noinline)) static uint64_t below(void) {
    uint64_t h = 0xcbf29ce484222325ull;
    unsigned char *top = (unsigned char *)__builtin_frame_address(0) - 256;
    for (long i = 0; i < 6000; i++)
        h = (h ^ *(volatile unsigned char *)(top - i)) * 0x100000001b3ull;
    return h;
}

static void look(const char *when) {
    uint64_t use = in_use(), area_hash = saved(), header;
    memcpy(&header, area + 512, sizeof header);
    say("%-28s in use %lx, header %lx, area %016lx", when, (unsigned long)use, (unsigned long)header,
        (unsigned long)area_hash);
}

static void on_signal(int number) {
    (void)number;
    look("in a handler");
}

__attribute__((target("avx"))) static void use_avx(void) {
    __asm__ volatile("vpcmpeqd %%xmm1, %%xmm1, %%xmm1\n\t vinsertf128 $1, %%xmm1, %%ymm1, %%ymm5" : : : "xmm1", "xmm5");
}
__attribute__((target("avx"))) static void clear_upper(void) { _mm256_zeroupper(); }
__attribute__((target("avx"))) static void clear_all(void) { _mm256_zeroall(); }

int main(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(13, 1, &a, &b, &c, &d) || (a & 6) != 6) {
        say("no XSAVEC");
        return 0;
    }
    volatile char room[16384];
    for (unsigned i = 0; i < sizeof room; i += 512)
        room[i] = (char)i;
    look("at the start");
    for (int i = 0; i < 3; i++) {
        syscall(SYS_getppid);
        look("after a call");
        sleep_ms(1);
        look("after a sleep");
    }
    __get_cpuid(1, &a, &b, &c, &d);
    if (c & 1u << 28) {
        use_avx();
        look("with AVX");
        sched_yield();
        look("with AVX, after a call");
        sleep_ms(1);
        look("with AVX, after a sleep");
        signal(SIGUSR1, on_signal);
        OK(raise(SIGUSR1));
        look("with AVX, after a handler");
        pid_t pid = OK(fork());
        if (pid == 0) {
            look("with AVX, in a child");
            _exit(0);
        }
        expect_exit(pid, 0);
        clear_upper();
        look("upper halves cleared");
        sched_yield();
        look("upper halves cleared, call");
        clear_all();
        look("all cleared");
        sleep_ms(1);
        look("all cleared, after a sleep");
    }
    /* x87: in use, and initialised again. */
    __asm__ volatile("fld1\n\t fstp %%st(0)" : : : "st");
    look("x87 used");
    __asm__ volatile("fninit");
    look("x87 initialised");
    sched_yield();
    look("x87 initialised, call");
    /* Lazily bound functions, each the first time. */
    double x = strtod("3.25", NULL);
    say("below %016lx", (unsigned long)below());
    char *copy = strdup("lazily bound");
    say("below %016lx", (unsigned long)below());
    CHECK(x == 3.25 && copy && atol("77") == 77);
    say("below %016lx", (unsigned long)below());
    return 0;
}
