/* SIGEV_THREAD: the library starts a helper thread and one thread per expiration. */
#include "guest.h"
#include <semaphore.h>

static sem_t fired;
static void notify(union sigval v) {
    CHECK_EQ(v.sival_int, 99);
    sem_post(&fired);
}

int main(void) {
    OK(sem_init(&fired, 0, 0));
    timer_t id;
    struct sigevent e;
    memset(&e, 0, sizeof e);
    e.sigev_notify = SIGEV_THREAD;
    e.sigev_notify_function = notify;
    e.sigev_value.sival_int = 99;
    OK(timer_create(CLOCK_MONOTONIC, &e, &id));
    struct itimerspec t = {{0, 2000000}, {0, 2000000}};
    OK(timer_settime(id, 0, &t, NULL));
    for (int i = 0; i < 4; i++)
        while (sem_wait(&fired) != 0)
            CHECK_EQ(errno, EINTR);
    OK(timer_delete(id));
    say("four expirations by %lu", (unsigned long)now_ns());
    return 0;
}
