/* Threads that take turns by a mutex and a condition, and count in a file. */
#include "../guests/guest.h"

enum { THREADS = 3, TURNS = 4 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn, file;

static void *work(void *arg) {
    int own = (int)(intptr_t)arg;
    for (int i = 0; i < TURNS; i++) {
        ZERO(pthread_mutex_lock(&lock));
        while (turn % THREADS != own)
            ZERO(pthread_cond_wait(&turned, &lock));
        char line[32];
        int length = snprintf(line, sizeof line, "%d %d\n", own, turn);
        OK(write(file, line, (size_t)length));
        turn++;
        ZERO(pthread_cond_broadcast(&turned));
        ZERO(pthread_mutex_unlock(&lock));
        usleep(200);
    }
    return (void *)(intptr_t)(own + 10);
}

int main(void) {
    file = OK(open("turns", O_CREAT | O_WRONLY | O_TRUNC, 0644));
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i));
    for (int i = 0; i < THREADS; i++) {
        void *result;
        ZERO(pthread_join(threads[i], &result));
        say("thread %d gave %d", i, (int)(intptr_t)result);
    }
    CHECK_EQ(turn, THREADS * TURNS);
    return 0;
}
