/* Cancellation of threads blocked in system calls, clean-up handlers, disabled and asynchronous modes. */
#include "guest.h"

static int p[2];
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static atomic_int cleaned, started, cancelled;

static void cleanup(void *argument) {
    atomic_fetch_add(&cleaned, (int)(intptr_t)argument);
}
static void unlock(void *mutex) {
    pthread_mutex_unlock(mutex);
}
static void *reads(void *unused) {
    (void)unused;
    char byte;
    pthread_cleanup_push(cleanup, (void *)1);
    atomic_fetch_add(&started, 1);
    ssize_t n = read(p[0], &byte, 1);
    say("not reached %zd", n);
    pthread_cleanup_pop(0);
    return NULL;
}
static void *waits(void *unused) {
    (void)unused;
    ZERO(pthread_mutex_lock(&m));
    pthread_cleanup_push(unlock, &m);
    pthread_cleanup_push(cleanup, (void *)10);
    atomic_fetch_add(&started, 1);
    for (;;)
        pthread_cond_wait(&c, &m);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}
static void *sleeps(void *unused) {
    (void)unused;
    pthread_cleanup_push(cleanup, (void *)100);
    ZERO(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL));
    atomic_fetch_add(&started, 1);
    for (;;)
        sleep(10);
    pthread_cleanup_pop(0);
    return NULL;
}
static void *immune(void *unused) {
    (void)unused;
    ZERO(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL));
    atomic_fetch_add(&started, 1);
    while (!atomic_load(&cancelled))
        sleep_ms(1);
    ZERO(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL));
    pthread_cleanup_push(cleanup, (void *)1000);
    pthread_testcancel();
    pthread_cleanup_pop(0);
    return (void *)5;
}

int main(void) {
    OK(pipe(p));
    void *(*functions[])(void *) = {reads, waits, sleeps, immune};
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&t[i], NULL, functions[i], NULL));
    while (atomic_load(&started) < 4)
        sleep_ms(1);
    sleep_ms(3);
    for (int i = 0; i < 4; i++)
        ZERO(pthread_cancel(t[i]));
    atomic_store(&cancelled, 1);
    for (int i = 0; i < 4; i++) {
        void *result;
        ZERO(pthread_join(t[i], &result));
        CHECK(result == PTHREAD_CANCELED);
    }
    CHECK_EQ(atomic_load(&cleaned), 1111);
    ZERO(pthread_mutex_lock(&m));
    say("cleaned up %d", atomic_load(&cleaned));
    return 0;
}
