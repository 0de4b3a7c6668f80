/* fork in a threaded program: only the caller survives, atfork handlers run, the child makes threads. */
#include "guest.h"

static atomic_int quit, prepared, parents, children;
static void prepare(void) {
    atomic_fetch_add(&prepared, 1);
}
static void parent(void) {
    atomic_fetch_add(&parents, 1);
}
static void child(void) {
    atomic_fetch_add(&children, 1);
}

static void *busy(void *unused) {
    (void)unused;
    while (!atomic_load(&quit)) {
        void *volatile p = malloc(100);
        free(p);
        sched_yield();
    }
    return NULL;
}
static void *inner(void *argument) {
    return argument;
}

static void *forker(void *unused) {
    (void)unused;
    pid_t pid = OK(fork());
    if (pid == 0) {
        CHECK_EQ(syscall(SYS_gettid), getpid());
        CHECK(atomic_load(&children) == 1);
        free(malloc(1000));
        pthread_t t;
        void *value;
        ZERO(pthread_create(&t, NULL, inner, (void *)9));
        ZERO(pthread_join(t, &value));
        _exit(60 + (int)(intptr_t)value);
    }
    expect_exit(pid, 69);
    return NULL;
}

int main(void) {
    ZERO(pthread_atfork(prepare, parent, child));
    pthread_t b[2], f;
    for (int i = 0; i < 2; i++)
        ZERO(pthread_create(&b[i], NULL, busy, NULL));
    for (int i = 0; i < 5; i++) {
        ZERO(pthread_create(&f, NULL, forker, NULL));
        ZERO(pthread_join(f, NULL));
    }
    atomic_store(&quit, 1);
    for (int i = 0; i < 2; i++)
        ZERO(pthread_join(b[i], NULL));
    CHECK(atomic_load(&prepared) == 5 && atomic_load(&parents) == 5 && atomic_load(&children) == 0);
    say("five forks");
    return 0;
}
