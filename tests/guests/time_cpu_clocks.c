/* Clocks of consumed time: of this thread, of another one, of another process; they stand while their owner sleeps. */
#include "guest.h"
#include <sys/times.h>

static uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    OK(clock_gettime(id, &t));
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void compute(uint64_t ns) {
    uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    volatile unsigned long x = 1;
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start < ns)
        for (int i = 0; i < 10000; i++)
            x = x * 3 + 1;
}

static int p[2], q[2];
static void *thread(void *unused) {
    (void)unused;
    char byte;
    compute(5000000);
    write_all(q[1], "d", 1);
    read_exactly(p[0], &byte, 1);
    return NULL;
}

int main(void) {
    OK(pipe(p));
    OK(pipe(q));
    uint64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID), own = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    compute(20000000);
    uint64_t after = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    CHECK(after - before >= 19000000);
    pthread_t t;
    ZERO(pthread_create(&t, NULL, thread, NULL));
    clockid_t of_thread, of_child;
    ZERO(pthread_getcpuclockid(t, &of_thread));
    char byte;
    read_exactly(q[0], &byte, 1);
    /* It sleeps, and so does its clock. */
    uint64_t first = clock_ns(of_thread);
    CHECK(first >= 4900000 && first < 20000000000u);
    sleep_ms(30);
    uint64_t second = clock_ns(of_thread);
    CHECK(second - first < 20000000);
    uint64_t mine = clock_ns(CLOCK_THREAD_CPUTIME_ID), all = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    CHECK(mine >= own + 20000000 && all >= mine);
    write_all(p[1], "e", 1);
    ZERO(pthread_join(t, NULL));
    pid_t pid = OK(fork());
    if (pid == 0) {
        CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) < all);
        compute(5000000);
        write_all(q[1], "d", 1);
        read_exactly(p[0], &byte, 1);
        _exit(0);
    }
    read_exactly(q[0], &byte, 1);
    ZERO(clock_getcpuclockid(pid, &of_child));
    uint64_t child = clock_ns(of_child);
    CHECK(child >= 4900000);
    write_all(p[1], "e", 1);
    expect_exit(pid, 0);
    struct timespec none;
    FAILS(clock_gettime(of_child, &none), EINVAL);
    struct tms tms;
    OK(times(&tms));
    say("own %lu, all %lu, thread %lu %lu, child %lu, ticks %ld", (unsigned long)mine, (unsigned long)all,
        (unsigned long)first, (unsigned long)second, (unsigned long)child, (long)tms.tms_cutime);
    return 0;
}
