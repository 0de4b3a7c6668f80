/* A futex that belongs to a memory node: the kernel stores the number of the caller's where there is none. */
#include "guest.h"
struct waitv { uint64_t val, uaddr; uint32_t flags, reserved; };
int main(void) {
    enum { U32 = 2, NUMA = 4, PRIVATE = 128, NR_WAITV = 449, NR_WAKE = 454, NR_WAIT = 455, NR_REQUEUE = 456 };
    struct { uint32_t futex; int32_t node; } w[4] __attribute__((aligned(8)));
    for (int i = 0; i < 4; i++) { w[i].futex = 1; w[i].node = -1; }
    long r = syscall(NR_WAKE, &w[0], ~0u, 1, U32 | NUMA | PRIVATE);
    say("wake %ld %d: node %d", r, r < 0 ? errno : 0, w[0].node);
    struct timespec now = {0, 0};
    r = syscall(NR_WAIT, &w[1], 1, ~0u, U32 | NUMA | PRIVATE, &now, CLOCK_MONOTONIC);
    say("wait %ld %d: node %d", r, r < 0 ? errno : 0, w[1].node);
    struct waitv v[2] = {{1, (uintptr_t)&w[2], U32 | NUMA | PRIVATE, 0}, {1, (uintptr_t)&w[3], U32 | NUMA | PRIVATE, 0}};
    r = syscall(NR_REQUEUE, v, 0, 1, 1);
    say("requeue %ld %d: nodes %d %d", r, r < 0 ? errno : 0, w[2].node, w[3].node);
    w[2].node = w[3].node = -1;
    r = syscall(NR_WAITV, v, 2, 0, &now, CLOCK_MONOTONIC);
    say("waitv %ld %d: nodes %d %d", r, r < 0 ? errno : 0, w[2].node, w[3].node);
    return 0;
}
