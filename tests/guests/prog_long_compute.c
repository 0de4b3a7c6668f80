/* Much computing between few system calls, with floating point, so that long slices are replayed. */
#include "guest.h"

int main(void) {
    double x = (double)(now_ns() % 1000) / 1000 + 0.1;
    say("start %.17g", x);
    uint64_t h = (uint64_t)getpid();
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 2000000; i++) {
            h ^= h << 13;
            h ^= h >> 7;
            h ^= h << 17;
            x = x * 3.7 * (1 - x);
        }
        say("round %d %016lx %.17g", round, (unsigned long)h, x);
    }
    return 0;
}
