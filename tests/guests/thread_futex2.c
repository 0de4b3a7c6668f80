/* The newer futex calls: futex_wake, futex_wait, futex_requeue with sizes, masks, time-outs and errors. */
#include "guest.h"
#include <linux/futex.h>

enum { NR_WAKE = 454, NR_WAIT = 455, NR_REQUEUE = 456, SIZE_U32 = 2, PRIVATE = 128 };
static const unsigned long ANY = 0xffffffff;
static _Atomic uint32_t word, second, woken, started;

struct waiter {
    uint64_t value, address;
    uint32_t flags, reserved;
};

static void *waits(void *argument) {
    atomic_fetch_add(&started, 1);
    while (atomic_load(&word) == 0 && atomic_load(&second) == 0) {
        long r = syscall(NR_WAIT, &word, 0ul, 1ul << (intptr_t)argument, SIZE_U32 | PRIVATE, NULL, 0);
        CHECK(r == 0 || errno == EAGAIN || errno == EINTR);
    }
    atomic_fetch_add(&woken, 1);
    return NULL;
}

static int sleeping(pid_t tid) {
    char path[64], text[300] = {0};
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    read_to_end(fd, text, sizeof text - 1);
    close(fd);
    return strstr(text, ") S ") != NULL;
}

static pid_t tids[4];
static void *waits_named(void *argument) {
    tids[(intptr_t)argument] = (pid_t)syscall(SYS_gettid);
    return waits(argument);
}

int main(void) {
    long r = syscall(NR_WAKE, &word, ANY, 1, SIZE_U32 | PRIVATE);
    if (r < 0) {
        say("no futex_wake, errno %d", errno);
        CHECK(errno == ENOSYS);
        return 0;
    }
    CHECK_EQ(r, 0);
    FAILS(syscall(NR_WAIT, &word, 1ul, ANY, SIZE_U32 | PRIVATE, NULL, 0), EAGAIN);
    FAILS(syscall(NR_WAIT, &word, 0ul, 0ul, SIZE_U32 | PRIVATE, NULL, 0), EINVAL);
    FAILS(syscall(NR_WAIT, &word, 0ul, ANY, 0x77, NULL, 0), EINVAL);
    struct timespec t;
    OK(clock_gettime(CLOCK_MONOTONIC, &t));
    t.tv_nsec += 3000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_nsec -= 1000000000, t.tv_sec++;
    FAILS(syscall(NR_WAIT, &word, 0ul, ANY, SIZE_U32 | PRIVATE, &t, CLOCK_MONOTONIC), ETIMEDOUT);
    pthread_t threads[4];
    for (intptr_t i = 0; i < 4; i++)
        ZERO(pthread_create(&threads[i], NULL, waits_named, (void *)i));
    for (int i = 0; i < 4; i++)
        while (!tids[i] || !sleeping(tids[i]))
            sleep_ms(1);
    /* Only one of them waits with this bit; it finds nothing changed and goes back. */
    long one = syscall(NR_WAKE, &word, 1ul << 2, 10, SIZE_U32 | PRIVATE);
    CHECK(one <= 1);
    /* Two are woken, the others moved to the other word, and woken there. */
    for (int i = 0; i < 4; i++)
        while (!sleeping(tids[i]))
            sleep_ms(1);
    struct waiter pair[2] = {{0, (uintptr_t)&word, SIZE_U32 | PRIVATE, 0}, {0, (uintptr_t)&second, SIZE_U32 | PRIVATE, 0}};
    long moved = OK(syscall(NR_REQUEUE, pair, 0, 0, 4));
    pair[0].value = 1;
    FAILS(syscall(NR_REQUEUE, pair, 0, 0, 4), EAGAIN);
    atomic_store(&second, 1);
    long last = OK(syscall(NR_WAKE, &second, ANY, 10, SIZE_U32 | PRIVATE));
    CHECK_EQ(last, moved);
    syscall(NR_WAKE, &word, ANY, 10, SIZE_U32 | PRIVATE);
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(threads[i], NULL));
    CHECK_EQ(woken, 4);
    say("one %ld, moved %ld, threads %d to %d", one, moved, (int)tids[0], (int)tids[3]);
    return 0;
}
