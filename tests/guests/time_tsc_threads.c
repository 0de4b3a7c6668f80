/* One thread makes code that reads the time stamp counter, while others read clocks, sleep, wait in read, and for a
 * futex; all of them execute it then. */
#include "guest.h"
#include <sys/prctl.h>

static const unsigned char code[] = {0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0xc3};
typedef uint64_t (*function)(void);
static function volatile made;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ends[2];

static uint64_t now(void) {
    struct timespec t;
    OK(clock_gettime(CLOCK_MONOTONIC, &t));
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void use(const char *who) {
    uint64_t first = made(), between = now(), second = made();
    CHECK(second > first);
    say("%s: %lu %lu %lu", who, (unsigned long)first, (unsigned long)between, (unsigned long)second);
}

static void *reads_clocks(void *unused) {
    uint64_t last = 0;
    while (!made) {
        for (int i = 0; i < 100; i++) {
            uint64_t read = now();
            CHECK(read >= last);
            last = read;
        }
        sched_yield();
    }
    use("clocks");
    return unused;
}

static void *reads_pipe(void *unused) {
    char byte;
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    use("pipe");
    return unused;
}

static void *sleeps(void *unused) {
    while (!made)
        sleep_ms(3);
    use("sleep");
    return unused;
}

static void *locks(void *unused) {
    ZERO(pthread_mutex_lock(&lock));
    use("lock");
    ZERO(pthread_mutex_unlock(&lock));
    return unused;
}

static void on_signal(int number) {
    (void)number;
    if (made)
        use("handler");
}

static void *is_signalled(void *unused) {
    sigset_t none;
    sigemptyset(&none);
    while (!made)
        FAILS(sigsuspend(&none), EINTR);
    return unused;
}

int main(void) {
    handle(SIGUSR1, (void *)on_signal, 0);
    OK(pipe(ends));
    ZERO(pthread_mutex_lock(&lock));
    void *(*const ways[])(void *) = {reads_clocks, reads_pipe, sleeps, locks, is_signalled};
    pthread_t threads[5];
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    ZERO(pthread_sigmask(SIG_BLOCK, &one, NULL));
    for (int i = 0; i < 5; i++)
        ZERO(pthread_create(&threads[i], NULL, ways[i], NULL));
    sleep_ms(20);
    void *at = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(at, code, sizeof code);
    made = (function)at;
    CHECK_EQ(write(ends[1], "x", 1), 1);
    ZERO(pthread_mutex_unlock(&lock));
    ZERO(pthread_kill(threads[4], SIGUSR1));
    use("main");
    for (int i = 0; i < 5; i++)
        ZERO(pthread_join(threads[i], NULL));
    return 0;
}
