/* A robust mutex whose owner dies: a thread that exits, and a process that is killed. */
#include "guest.h"

static pthread_mutex_t *m;

static void *dies_holding(void *unused) {
    (void)unused;
    ZERO(pthread_mutex_lock(m));
    return NULL;
}

int main(void) {
    m = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pthread_mutexattr_t a;
    ZERO(pthread_mutexattr_init(&a));
    ZERO(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
    ZERO(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
    ZERO(pthread_mutex_init(m, &a));
    pthread_t t;
    ZERO(pthread_create(&t, NULL, dies_holding, NULL));
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
    ZERO(pthread_mutex_consistent(m));
    ZERO(pthread_mutex_unlock(m));

    int p[2];
    OK(pipe(p));
    pid_t pid = OK(fork());
    if (pid == 0) {
        ZERO(pthread_mutex_lock(m));
        write_all(p[1], "l", 1);
        for (;;)
            pause();
    }
    char c;
    read_exactly(p[0], &c, 1);
    CHECK_EQ(pthread_mutex_trylock(m), EBUSY);
    OK(kill(pid, SIGKILL));
    /* Sleeps in the lock until the kernel walks the dead process's list. */
    CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
    expect_signal(pid, SIGKILL);
    say("took over from %d", (int)pid);
    ZERO(pthread_mutex_unlock(m));
    CHECK_EQ(pthread_mutex_lock(m), ENOTRECOVERABLE);
    void *head;
    size_t length;
    OK(syscall(SYS_get_robust_list, 0, &head, &length));
    say("robust list at %p of %zu", head, length);
    return 0;
}
