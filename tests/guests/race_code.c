/* What just-in-time compilers do: code on pages that can be written, which threads execute while another one changes
 * it, and code that changes the instruction behind the one that is being executed. */
#include "guest.h"
#include <pthread.h>

#define THREADS 3
#define TURNS 20000000
/* So often the constant is written before it changes. */
#define SAME 50000

static uint8_t *page;
static volatile int left = THREADS;
static uint64_t sums[THREADS], oddities[THREADS];

/* mov rax, constant; add rax, rdi; ret. The constant is aligned, so that nobody sees half of one. */
static uint8_t *make(uint8_t *at, uint64_t constant) {
    uint8_t code[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x01, 0xf8, 0xc3};
    memcpy(code + 2, &constant, 8);
    at += 6;
    memcpy(at, code, sizeof code);
    return at;
}

/* mov byte [rip], 1 into the constant of: mov eax, 2; ret. It returns 1 then. */
static uint8_t *make_own(uint8_t *at) {
    static const uint8_t code[] = {0xc6, 0x05, 1, 0, 0, 0, 1, 0xb8, 2, 0, 0, 0, 0xc3};
    memcpy(at, code, sizeof code);
    return at;
}

static void *calls(void *argument) {
    uintptr_t me = (uintptr_t)argument;
    uint64_t (*call)(uint64_t) = (uint64_t (*)(uint64_t))(uintptr_t)(page + 6);
    uint64_t sum = me, before = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t now = call(0);
        if (now != before)
            oddities[me]++;
        before = now;
        sum = sum * 31 + now;
    }
    sums[me] = sum;
    __atomic_sub_fetch(&left, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

int main(void) {
    limits_time();
    page = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    uint8_t *at = make(page, 0);
    CHECK_EQ((uintptr_t)(at + 2) % 8, 0);
    for (int turn = 0; turn < 3; turn++) {
        int (*own)(void) = (int (*)(void))(uintptr_t)make_own(page + 4090);
        CHECK_EQ(own(), 1);
    }
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, calls, (void *)i), 0);
    for (uint64_t writes = 0; left > 0; writes++)
        __atomic_store_n((uint64_t *)(uintptr_t)(at + 2), writes / SAME, __ATOMIC_SEQ_CST);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    /* With the flag set by which accesses that are not aligned fault. */
    uint64_t (*call)(uint64_t) = (uint64_t (*)(uint64_t))(uintptr_t)at;
    make(page, 5);
    uint64_t flagged = 1;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n pushf\n orl $0x40000, (%%rsp)\n popf\n call *%1\n"
                     "pushf\n andl $~0x40000, (%%rsp)\n popf\n lea 128(%%rsp), %%rsp"
                     : "=a"(flagged)
                     : "r"(call), "D"(7ul)
                     : "memory", "cc");
    CHECK_EQ(flagged, 12);
    for (int i = 0; i < THREADS; i++)
        say("%d: %016lx, %lu changes seen", i, (unsigned long)sums[i], (unsigned long)oddities[i]);
    return 0;
}
