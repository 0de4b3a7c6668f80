/* A timer's signals in floating point computations (SSE2, and AVX2 where there is): the handler spoils the vector registers, and
 * prints what was in them. */
#include "guest.h"
#include <immintrin.h>
#include <sys/time.h>
#include <ucontext.h>

#define SIGNALS 20
#define STEPS 20000

static volatile long at;
static volatile sig_atomic_t signals;
static uint64_t indexes, vectors;
static int avx2;

/* Logistic maps, which are chaotic: every bit counts. Eight accumulators are alive over the whole loop. */
#define COMPUTES(name, target_, type, load, store, sub, mul)                                                   \
    target_ __attribute__((noinline)) static void name(double *out, const double *in) {                        \
        type a = load(in), b = load(in + 1), c = load(in + 2), d = load(in + 3), e = load(in + 4);             \
        type f = load(in + 5), g = load(in + 6), h = load(in + 7), one = load(ones), scale = load(scales);     \
        for (long i = 0; i < STEPS; i++) {                                                                     \
            at = i;                                                                                            \
            a = mul(mul(a, scale), sub(one, a)), b = mul(mul(b, scale), sub(one, b));                          \
            c = mul(mul(c, scale), sub(one, c)), d = mul(mul(d, scale), sub(one, d));                          \
            e = mul(mul(e, scale), sub(one, e)), f = mul(mul(f, scale), sub(one, f));                          \
            g = mul(mul(g, scale), sub(one, g)), h = mul(mul(h, scale), sub(one, h));                          \
        }                                                                                                      \
        store(out, a), store(out + 4, b), store(out + 8, c), store(out + 12, d);                               \
        store(out + 16, e), store(out + 20, f), store(out + 24, g), store(out + 28, h);                        \
    }

static const double ones[] = {1, 1, 1, 1}, scales[] = {3.9, 3.91, 3.92, 3.93};
static const double starts[] = {.11, .23, .31, .47, .53, .61, .73, .83, .91, .97, .17};
COMPUTES(with_sse2, , __m128d, _mm_loadu_pd, _mm_storeu_pd, _mm_sub_pd, _mm_mul_pd)
COMPUTES(with_avx2, __attribute__((target("avx2"))), __m256d, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_sub_pd,
         _mm256_mul_pd)

#define EACH(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define ONES_X(n) "pcmpeqd %%xmm" #n ", %%xmm" #n ";"
#define ONES_Y(n) "vpcmpeqd %%ymm" #n ", %%ymm" #n ", %%ymm" #n ";"
#define NAMES                                                                                                  \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
        "xmm13", "xmm14", "xmm15"

static void tick(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    if (signals == SIGNALS)
        return;
    const struct _libc_fpstate *saved = ((ucontext_t *)context)->uc_mcontext.fpregs;
    indexes = indexes * 31 + (uint64_t)at;
    vectors = vectors * 31 + hash(saved->_xmm, sizeof saved->_xmm);
    /* The upper halves, if they are not at rest. */
    const unsigned char *area = (const unsigned char *)saved;
    uint64_t parts;
    memcpy(&parts, area + 512, sizeof parts);
    if (avx2 && parts & 4)
        vectors = vectors * 31 + hash(area + 576, 256);
    signals++;
    if (avx2)
        __asm__ volatile(EACH(ONES_Y) : : : NAMES);
    else
        __asm__ volatile(EACH(ONES_X) : : : NAMES);
    /* Rounds towards zero from here to the end of the handler. */
    unsigned control = 0x7f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(control));
}

int main(void) {
    limits_time();
    avx2 = __builtin_cpu_supports("avx2");
    static double wanted[2][32], got[32];
    with_sse2(wanted[0], starts);
    if (avx2)
        with_avx2(wanted[1], starts);
    handle(SIGALRM, tick, SA_RESTART);
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &often, NULL));
    long rounds = 0;
    for (; signals < SIGNALS; rounds++) {
        int wide = avx2 && rounds % 2;
        memset(got, 0, sizeof got);
        if (wide)
            with_avx2(got, starts);
        else
            with_sse2(got, starts);
        CHECK(memcmp(got, wanted[wide], sizeof got) == 0);
    }
    OK(setitimer(ITIMER_REAL, &never, NULL));
    say("%s, %ld rounds, at %016lx with %016lx, result %016lx", avx2 ? "AVX2" : "SSE2", rounds, (unsigned long)indexes,
        (unsigned long)vectors, (unsigned long)hash(wanted, sizeof wanted));
    return 0;
}
