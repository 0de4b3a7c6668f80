/* futex_waitv: waits on several words, woken by one, with the index of that one. */
#include "guest.h"
#include <linux/futex.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

static uint32_t words[3];
static atomic_int index_of_woken = -1;

static void *waiter(void *unused) {
    (void)unused;
    struct futex_waitv v[3];
    memset(v, 0, sizeof v);
    for (int i = 0; i < 3; i++) {
        v[i].uaddr = (uintptr_t)&words[i];
        v[i].flags = FUTEX_32 | FUTEX_PRIVATE_FLAG;
    }
    long r = syscall(SYS_futex_waitv, v, 3, 0, NULL, 0);
    atomic_store(&index_of_woken, r < 0 ? -1 - errno : (int)r);
    return NULL;
}

int main(void) {
    pthread_t t;
    struct futex_waitv v = {.val = 9, .uaddr = (uintptr_t)words, .flags = FUTEX_32};
    long r = syscall(SYS_futex_waitv, &v, 1, 0, NULL, 0);
    CHECK_EQ(r, -1);
    if (errno == ENOSYS) {
        say("no futex_waitv");
        return 0;
    }
    CHECK_EQ(errno, EAGAIN);
    struct timespec now;
    OK(clock_gettime(CLOCK_MONOTONIC, &now));
    v.val = 0;
    FAILS(syscall(SYS_futex_waitv, &v, 1, 0, &now, CLOCK_MONOTONIC), ETIMEDOUT);
    ZERO(pthread_create(&t, NULL, waiter, NULL));
    while (atomic_load(&index_of_woken) == -1) {
        sleep_ms(2);
        syscall(SYS_futex, &words[2], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(atomic_load(&index_of_woken), 2);
    say("woken by word 2");
    return 0;
}
