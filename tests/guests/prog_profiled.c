/* Compiled for a profiler (see the table): a timer's signals all the time, and a file of counts at the end. */
#include "guest.h"

__attribute__((noinline)) static unsigned long work(unsigned long x, int n) {
    for (int i = 0; i < n; i++)
        x = x * 6364136223846793005ul + 1442695040888963407ul;
    return x;
}

int main(void) {
    unsigned long x = 1;
    struct timespec start, now;
    OK(clock_gettime(CLOCK_MONOTONIC, &start));
    int rounds = 0;
    do {
        x = work(x, 100000);
        rounds++;
        OK(clock_gettime(CLOCK_MONOTONIC, &now));
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 100);
    say("%d rounds, %016lx", rounds, x);
    return 0;
}
