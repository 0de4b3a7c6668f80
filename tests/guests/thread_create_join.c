/* Threads: create, join with value, detach, ids, names, attributes, once, equal. */
#include "guest.h"
#include <semaphore.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int initialised;
static sem_t detached_done;
static _Thread_local int local = 5;

static void init(void) {
    initialised++;
}

static void *work(void *argument) {
    pthread_once(&once, init);
    local += (int)(intptr_t)argument;
    int mark;
    say("thread %ld local %d self %lx stack %p", syscall(SYS_gettid), local, (unsigned long)pthread_self(),
        (void *)&mark);
    return (void *)(intptr_t)local;
}

static void *detached(void *unused) {
    (void)unused;
    sem_post(&detached_done);
    return NULL;
}

int main(void) {
    pthread_t t[8];
    for (int i = 0; i < 8; i++)
        ZERO(pthread_create(&t[i], NULL, work, (void *)(intptr_t)i));
    for (int i = 0; i < 8; i++) {
        void *value;
        ZERO(pthread_join(t[i], &value));
        CHECK_EQ((intptr_t)value, 5 + i);
    }
    CHECK(initialised == 1 && local == 5);
    OK(sem_init(&detached_done, 0, 0));
    pthread_attr_t a;
    ZERO(pthread_attr_init(&a));
    ZERO(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED));
    ZERO(pthread_attr_setstacksize(&a, 1 << 20));
    ZERO(pthread_create(&t[0], &a, detached, NULL));
    OK(sem_wait(&detached_done));
    ZERO(pthread_create(&t[1], NULL, detached, NULL));
    ZERO(pthread_detach(t[1]));
    OK(sem_wait(&detached_done));
    ZERO(pthread_setname_np(pthread_self(), "renamed"));
    char name[16];
    ZERO(pthread_getname_np(pthread_self(), name, sizeof name));
    CHECK(strcmp(name, "renamed") == 0);
    ZERO(pthread_getattr_np(pthread_self(), &a));
    void *base;
    size_t size;
    ZERO(pthread_attr_getstack(&a, &base, &size));
    CHECK((char *)&a > (char *)base && (char *)&a < (char *)base + size);
    say("main stack %p size %zu", base, size);
    return 0;
}
