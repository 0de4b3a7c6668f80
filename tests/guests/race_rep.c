/* A timer's signals in the middle of string instructions that are longer than a millisecond, forwards and backwards: the handler
 * sees how far they got, and they go on from there. */
#include "guest.h"
#include <sys/time.h>
#include <ucontext.h>

#define SIGNALS 20
#define SIZE (16ul << 20)
/* Backwards, a byte takes several times as long. */
#define BACK (4ul << 20)

static unsigned char *from, *to;
static volatile sig_atomic_t signals, inside;
static uint64_t places;
extern const char rep_movs[], rep_stos[], rep_movs_back[], rep_stos_back[];

__attribute__((noinline, noclone)) static void copies(void) {
    void *d = to, *s = from;
    size_t n = SIZE;
    __asm__ volatile("rep_movs: rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    CHECK(n == 0 && d == to + SIZE && s == from + SIZE);
}

__attribute__((noinline, noclone)) static void fills(unsigned char with) {
    void *d = to;
    size_t n = SIZE;
    __asm__ volatile("rep_stos: rep stosb" : "+D"(d), "+c"(n) : "a"(with) : "memory");
    CHECK(n == 0 && d == to + SIZE);
}

__attribute__((noinline, noclone)) static void copies_back(void) {
    void *d = to + BACK - 1, *s = from + BACK - 1;
    size_t n = BACK;
    __asm__ volatile("std; rep_movs_back: rep movsb; cld" : "+D"(d), "+S"(s), "+c"(n) : : "memory", "cc");
    CHECK(n == 0 && d == to - 1 && s == from - 1);
}

__attribute__((noinline, noclone)) static void fills_back(unsigned char with) {
    void *d = to + BACK - 1;
    size_t n = BACK;
    __asm__ volatile("std; rep_stos_back: rep stosb; cld" : "+D"(d), "+c"(n) : "a"(with) : "memory", "cc");
    CHECK(n == 0 && d == to - 1);
}

static void tick(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (signals == SIGNALS)
        return;
    const char *at = (const char *)(uintptr_t)r[REG_RIP];
    size_t left = (size_t)r[REG_RCX], d = (size_t)r[REG_RDI] - (size_t)to, s = (size_t)r[REG_RSI] - (size_t)from;
    uint64_t place[] = {(uint64_t)(uintptr_t)at - (uint64_t)(uintptr_t)tick, 0, 0, 0};
    int moves = at == rep_movs || at == rep_movs_back, back = at == rep_movs_back || at == rep_stos_back;
    if (moves || back || at == rep_stos) {
        CHECK_EQ(d, back ? left - 1 : SIZE - left);
        CHECK(!moves || s == d);
        CHECK_EQ(r[REG_EFL] >> 10 & 1, back);
        inside++;
        place[1] = left, place[2] = d, place[3] = moves ? s : 0;
    }
    places = places * 31 + hash(place, sizeof place);
    signals++;
}

/* A byte of every page, and the ends. */
static void holds(size_t size, int with) {
    for (size_t i = 0; i < size; i += 4095)
        CHECK(to[i] == (with < 0 ? from[i] : with));
    CHECK(to[size - 1] == (with < 0 ? from[size - 1] : with));
}

int main(void) {
    limits_time();
    from = OK(mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
    to = from + SIZE;
    for (size_t i = 0; i < SIZE; i += 8)
        *(uint64_t *)(from + i) = i * 0x9e3779b97f4a7c15ull;
    handle(SIGALRM, tick, SA_RESTART);
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &often, NULL));
    unsigned rounds = 0;
    while (signals < SIGNALS) {
        /* These pages come back one by one, by faults in the middle of an instruction. */
        OK(madvise(to + SIZE / 4, SIZE / 4, MADV_DONTNEED));
        fills((unsigned char)++rounds);
        holds(SIZE, (unsigned char)rounds);
        copies_back();
        holds(BACK, -1);
        copies();
        holds(SIZE, -1);
        fills_back((unsigned char)~rounds);
        holds(BACK, (unsigned char)~rounds);
    }
    OK(setitimer(ITIMER_REAL, &never, NULL));
    CHECK(memcmp(to + BACK, from + BACK, SIZE - BACK) == 0);
    say("%u rounds, %d of %d signals inside, at %016lx", rounds, (int)inside, (int)signals, (unsigned long)places);
    return 0;
}
