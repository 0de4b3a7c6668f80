/* Mutex, condition, barrier and semaphore in shared memory between processes. */
#include "guest.h"
#include <semaphore.h>

struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    pthread_barrier_t barrier;
    sem_t sem;
    int turn, total;
};

int main(void) {
    struct shared *s = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pthread_mutexattr_t ma;
    pthread_condattr_t ca;
    pthread_barrierattr_t ba;
    ZERO(pthread_mutexattr_init(&ma));
    ZERO(pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED));
    ZERO(pthread_mutex_init(&s->mutex, &ma));
    ZERO(pthread_condattr_init(&ca));
    ZERO(pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED));
    ZERO(pthread_cond_init(&s->cond, &ca));
    ZERO(pthread_barrierattr_init(&ba));
    ZERO(pthread_barrierattr_setpshared(&ba, PTHREAD_PROCESS_SHARED));
    ZERO(pthread_barrier_init(&s->barrier, &ba, 3));
    OK(sem_init(&s->sem, 1, 0));
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = OK(fork());
        if (pids[i] == 0) {
            pthread_barrier_wait(&s->barrier);
            for (int round = 0; round < 10; round++) {
                ZERO(pthread_mutex_lock(&s->mutex));
                while (s->turn % 3 != i)
                    ZERO(pthread_cond_wait(&s->cond, &s->mutex));
                s->turn++;
                s->total += i;
                ZERO(pthread_cond_broadcast(&s->cond));
                ZERO(pthread_mutex_unlock(&s->mutex));
            }
            OK(sem_post(&s->sem));
            _exit(0);
        }
    }
    for (int i = 0; i < 3; i++)
        while (sem_wait(&s->sem) != 0)
            CHECK_EQ(errno, EINTR);
    for (int i = 0; i < 3; i++)
        expect_exit(pids[i], 0);
    CHECK(s->turn == 30 && s->total == 30);
    say("turns %d at %p", s->turn, (void *)s);
    char name[64];
    snprintf(name, sizeof name, "/guest-%d-%lx", (int)getpid(), (unsigned long)now_ns());
    sem_t *named = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
    CHECK(named != SEM_FAILED);
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(sem_wait(named));
        int v;
        OK(sem_getvalue(named, &v));
        _exit(v);
    }
    expect_exit(pid, 0);
    FAILS(sem_trywait(named), EAGAIN);
    OK(sem_close(named));
    OK(sem_unlink(name));
    return 0;
}
