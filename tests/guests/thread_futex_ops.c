/* Raw futex operations: WAIT, WAKE, BITSET, REQUEUE, CMP_REQUEUE, WAKE_OP, time-outs, errors. */
#include "guest.h"
#include <linux/futex.h>

static uint32_t a, b;
static atomic_int woken;

static long futex(uint32_t *word, int op, uint32_t value, void *timeout, uint32_t *second, uint32_t third) {
    return syscall(SYS_futex, word, op, value, timeout, second, third);
}

static void *wait_a(void *unused) {
    (void)unused;
    while (futex(&a, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) != 0)
        CHECK(errno == EINTR);
    atomic_fetch_add(&woken, 1);
    return NULL;
}

static void *wait_bits(void *argument) {
    while (futex(&b, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)(uintptr_t)argument) != 0)
        CHECK(errno == EINTR);
    atomic_fetch_add(&woken, 1);
    return NULL;
}

/* Starts n threads and returns when `total` of them sleep on the word: moving all waiters from the
 * word to itself counts them and changes nothing. */
static void start(pthread_t *t, int n, void *(*f)(void *), void *argument, uint32_t *word, long total) {
    for (int i = 0; i < n; i++)
        ZERO(pthread_create(&t[i], NULL, f, argument));
    while (OK(futex(word, FUTEX_REQUEUE_PRIVATE, 0, (void *)(intptr_t)INT_MAX, word, 0)) < total)
        sleep_ms(1);
}

static void until(int n) {
    while (atomic_load(&woken) < n)
        sleep_ms(1);
    CHECK_EQ(atomic_load(&woken), n);
}

int main(void) {
    pthread_t t[6];
    FAILS(futex(&a, FUTEX_WAIT_PRIVATE, 5, NULL, NULL, 0), EAGAIN);
    struct timespec time = {0, 2000000};
    FAILS(futex(&a, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0), ETIMEDOUT);
    OK(clock_gettime(CLOCK_MONOTONIC, &time));
    FAILS(futex(&a, FUTEX_WAIT_BITSET_PRIVATE, 0, &time, NULL, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
    OK(clock_gettime(CLOCK_REALTIME, &time));
    FAILS(futex(&a, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &time, NULL, ~0u), ETIMEDOUT);
    FAILS(futex(&a, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0), EINVAL);
    FAILS(futex((uint32_t *)((char *)&a + 1), FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
    FAILS(futex(&a, 99, 0, NULL, NULL, 0), ENOSYS);
    CHECK_EQ(futex(&a, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 0);

    start(t, 3, wait_a, NULL, &a, 3);
    CHECK_EQ(futex(&a, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
    until(1);
    CHECK_EQ(futex(&a, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 2);
    until(3);
    for (int i = 0; i < 3; i++)
        ZERO(pthread_join(t[i], NULL));

    atomic_store(&woken, 0);
    start(t, 2, wait_bits, (void *)1, &b, 2);
    start(t + 2, 1, wait_bits, (void *)2, &b, 3);
    CHECK_EQ(futex(&b, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 2), 1);
    until(1);
    CHECK_EQ(futex(&b, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 1), 2);
    until(3);
    for (int i = 0; i < 3; i++)
        ZERO(pthread_join(t[i], NULL));

    atomic_store(&woken, 0);
    start(t, 4, wait_a, NULL, &a, 4);
    CHECK_EQ(futex(&a, FUTEX_REQUEUE_PRIVATE, 1, (void *)1, &b, 0), 2);
    until(1);
    FAILS(futex(&a, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)9, &b, 77), EAGAIN);
    CHECK_EQ(futex(&a, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)9, &b, 0), 2);
    until(2);
    CHECK_EQ(futex(&b, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 2);
    until(4);
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(t[i], NULL));

    atomic_store(&woken, 0);
    start(t, 1, wait_a, NULL, &a, 1);
    start(t + 1, 1, wait_bits, (void *)1, &b, 1);
    /* b becomes 7; a's waiter is woken, and b's because the old value was 0. */
    CHECK_EQ(futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &b, FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0)), 2);
    until(2);
    CHECK_EQ(b, 7);
    ZERO(pthread_join(t[0], NULL));
    ZERO(pthread_join(t[1], NULL));
    say("all woken as asked");
    return 0;
}
