/* MAP_SHARED|MAP_ANONYMOUS across forks of forks; atomic counters; lock by compare-and-swap and yield. */
#include "guest.h"

struct shared {
    atomic_int counter, lock;
    int guarded;
    uint64_t order;
};

int main(void) {
    struct shared *s = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = OK(fork());
        if (pids[i] == 0) {
            pid_t inner = OK(fork());
            for (int k = 0; k < 40; k++) {
                atomic_fetch_add(&s->counter, 1);
                int expected = 0;
                while (!atomic_compare_exchange_weak(&s->lock, &expected, 1)) {
                    expected = 0;
                    sched_yield();
                }
                int seen = s->guarded;
                if (k % 4 == 0)
                    sched_yield();
                s->guarded = seen + 1;
                s->order = s->order * 31 + (uint64_t)(i * 2 + (inner == 0));
                atomic_store(&s->lock, 0);
                if (k % 3 == 0)
                    sched_yield();
            }
            if (inner == 0)
                _exit(0);
            expect_exit(inner, 0);
            _exit(0);
        }
    }
    for (int i = 0; i < 3; i++)
        expect_exit(pids[i], 0);
    CHECK_EQ(atomic_load(&s->counter), 240);
    CHECK_EQ(s->guarded, 240);
    say("order %016lx", (unsigned long)s->order);
    return 0;
}
