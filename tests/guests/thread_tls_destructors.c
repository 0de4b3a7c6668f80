/* Thread-local storage and keys: destructors run in the dying thread, again while values come back. */
#include "guest.h"

static pthread_key_t key, second;
static atomic_int destroyed, rounds;
static __thread char big[10000];

static void destroy(void *value) {
    atomic_fetch_add(&destroyed, (int)(intptr_t)value);
    say("destroyed %ld in thread %ld", (long)(intptr_t)value, syscall(SYS_gettid));
}
static void again(void *value) {
    if (atomic_fetch_add(&rounds, 1) < 2)
        pthread_setspecific(second, value);
}

static void *work(void *argument) {
    CHECK(pthread_getspecific(key) == NULL);
    ZERO(pthread_setspecific(key, argument));
    if ((intptr_t)argument == 3)
        ZERO(pthread_setspecific(second, argument));
    for (unsigned i = 0; i < sizeof big; i++)
        CHECK_EQ(big[i], 0);
    memset(big, (int)(intptr_t)argument, sizeof big);
    sched_yield();
    CHECK_EQ(big[sizeof big - 1], (intptr_t)argument);
    if ((intptr_t)argument == 2)
        pthread_exit(NULL);
    return NULL;
}

int main(void) {
    ZERO(pthread_key_create(&key, destroy));
    ZERO(pthread_key_create(&second, again));
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&t[i], NULL, work, (void *)(intptr_t)(i + 1)));
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK_EQ(atomic_load(&destroyed), 10);
    CHECK_EQ(atomic_load(&rounds), 3);
    ZERO(pthread_key_delete(key));
    return 0;
}
