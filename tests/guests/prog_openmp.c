/* OpenMP: parallel loops, reductions, tasks, barriers and locks, with more threads than processors. */
#include "guest.h"
#include <omp.h>

static long fibonacci(int n) {
    if (n < 2)
        return n;
    long a, b;
#pragma omp task shared(a)
    a = fibonacci(n - 1);
#pragma omp task shared(b)
    b = fibonacci(n - 2);
#pragma omp taskwait
    return a + b;
}

int main(void) {
    omp_set_num_threads(4);
    long sum = 0, order = 0;
    static int by[1000];
#pragma omp parallel for reduction(+ : sum) schedule(dynamic, 7)
    for (int i = 0; i < 1000; i++) {
        sum += i;
        by[i] = omp_get_thread_num();
    }
    CHECK_EQ(sum, 499500);
    omp_lock_t lock;
    omp_init_lock(&lock);
#pragma omp parallel
    {
        for (int i = 0; i < 20; i++) {
            omp_set_lock(&lock);
            order = order * 5 + omp_get_thread_num() + 1;
            omp_unset_lock(&lock);
        }
#pragma omp barrier
#pragma omp single
        order ^= 1;
    }
    long result = 0;
#pragma omp parallel
#pragma omp single
    result = fibonacci(12);
    CHECK_EQ(result, 144);
    say("who did what %016lx, order %lx", (unsigned long)hash(by, sizeof by), order);
    return 0;
}
