/* exit from one thread while others block in read, futex, sleep and wait: all end at once. */
#include "guest.h"

static int p[2];
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t ready;

static void *reader(void *unused) {
    (void)unused;
    char c;
    pthread_barrier_wait(&ready);
    ssize_t n = read(p[0], &c, 1);
    say("not reached %zd", n);
    return NULL;
}
static void *locker(void *unused) {
    (void)unused;
    pthread_barrier_wait(&ready);
    pthread_mutex_lock(&held);
    return NULL;
}
static void *sleeper(void *unused) {
    (void)unused;
    pthread_barrier_wait(&ready);
    sleep(1000);
    return NULL;
}
static void *ender(void *unused) {
    (void)unused;
    pthread_barrier_wait(&ready);
    sleep_ms(3);
    say("thread %ld ends the process", syscall(SYS_gettid));
    exit(66);
}
static void at_end(void) {
    say("exit handler runs");
}

int main(void) {
    OK(pipe(p));
    atexit(at_end);
    ZERO(pthread_barrier_init(&ready, NULL, 4));
    ZERO(pthread_mutex_lock(&held));
    pthread_t t;
    ZERO(pthread_create(&t, NULL, reader, NULL));
    ZERO(pthread_create(&t, NULL, locker, NULL));
    ZERO(pthread_create(&t, NULL, sleeper, NULL));
    ZERO(pthread_create(&t, NULL, ender, NULL));
    pthread_join(t, NULL);
    return 1;
}
