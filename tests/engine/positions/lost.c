/* Threads that add to one number without a lock, so few times that natively hardly any addition is ever lost. */
#include "../../guests/guest.h"

#define THREADS 3
#define TIMES 10000

static volatile unsigned long sum;

static void *adds(void *argument) {
    for (int i = 0; i < TIMES; i++)
        sum = sum + 1;
    return argument;
}

int main(void) {
    limits_time();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_create(&threads[i], NULL, adds, NULL));
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_join(threads[i], NULL));
    CHECK(sum <= THREADS * TIMES);
    say("%lu lost", THREADS * TIMES - sum);
    return 0;
}
