/* SSE, AVX, x87 and MXCSR state survives handlers that destroy it, also in the middle of a system call. */
#include "guest.h"
#include <cpuid.h>
#include <immintrin.h>
#include <sys/time.h>

static volatile sig_atomic_t hits;

__attribute__((target("avx"))) static void wreck_avx(void) {
    __asm__ volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0; vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0;"
                     "vmovaps %%ymm0, %%ymm7; vmovaps %%ymm0, %%ymm15" : : : "xmm0", "xmm7", "xmm15");
}

static int has_avx;
static void on_signal(int s, siginfo_t *info, void *context) {
    (void)s, (void)info, (void)context;
    hits++;
    __asm__ volatile("pcmpeqd %%xmm1, %%xmm1; movaps %%xmm1, %%xmm14; fninit; fldz" : : : "xmm1", "xmm14");
    if (has_avx)
        wreck_avx();
    _mm_setcsr(0x1f80 | 0x6000);
}

__attribute__((target("avx"))) static void check_avx(void) {
    float in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, result[8];
    long r;
    __asm__ volatile("vmovups %2, %%ymm7; vmovups %2, %%ymm15; syscall; vaddps %%ymm7, %%ymm15, %%ymm7; vmovups %%ymm7, %1"
                     : "=a"(r), "=m"(result)
                     : "m"(in), "a"(SYS_tgkill), "D"(getpid()), "S"(getpid()), "d"(SIGUSR1)
                     : "rcx", "r11", "xmm7", "xmm15", "memory");
    CHECK_EQ(r, 0);
    for (int i = 0; i < 8; i++)
        CHECK(result[i] == in[i] * 2);
}

int main(void) {
    unsigned a, b, c, d;
    CHECK(__get_cpuid(1, &a, &b, &c, &d));
    has_avx = __builtin_cpu_supports("avx") != 0;
    handle(SIGUSR1, on_signal, 0);
    handle(SIGALRM, on_signal, 0);
    for (int i = 0; i < 20; i++) {
        double in[2] = {3.5 + i, -7.25}, result[2];
        long double st = 1.0L / 3.0L, back;
        long r;
        unsigned csr = _mm_getcsr();
        __asm__ volatile("fldt %3; movupd %4, %%xmm1; movapd %%xmm1, %%xmm14; syscall; addpd %%xmm14, %%xmm1;"
                         "movupd %%xmm1, %1; fstpt %2"
                         : "=a"(r), "=m"(result), "=m"(back)
                         : "m"(st), "m"(in), "a"(SYS_tgkill), "D"(getpid()), "S"(getpid()), "d"(SIGUSR1)
                         : "rcx", "r11", "xmm1", "xmm14", "memory");
        CHECK_EQ(r, 0);
        CHECK(result[0] == 2 * in[0] && result[1] == 2 * in[1]);
        CHECK(memcmp(&st, &back, 10) == 0);
        CHECK_EQ(_mm_getcsr(), csr);
        if (has_avx)
            check_avx();
    }
    /* The same while timer signals arrive at whatever call comes next. */
    struct itimerval t = {{0, 1000}, {0, 1000}};
    hits = 0;
    OK(setitimer(ITIMER_REAL, &t, NULL));
    double sum = 0, plain = 0;
    long calls = 0;
    for (int i = 1; hits < 20; i++, calls++) {
        sum += 1.0 / i;
        getppid();
    }
    memset(&t, 0, sizeof t);
    OK(setitimer(ITIMER_REAL, &t, NULL));
    for (int i = 1; i <= calls; i++)
        plain += 1.0 / i;
    CHECK(sum == plain);
    say("avx %d, %ld calls, sum %.17g", has_avx, calls, sum);
    return 0;
}
