/* membarrier and rseq: each works or is refused with an error that programs expect. */
#include "guest.h"
#include <linux/membarrier.h>

struct rseq_area {
    uint32_t cpu_id_start, cpu_id;
    uint64_t critical;
    uint32_t flags, pad[3];
} __attribute__((aligned(32)));
static struct rseq_area area;

static void *thread(void *unused) {
    (void)unused;
    long r = syscall(SYS_rseq, &area, sizeof area, 0, 0x53053053);
    say("rseq %ld %d", r, r ? errno : 0);
    /* EINVAL or EBUSY: the library registered its own; ENOSYS: there is none. */
    CHECK(r == 0 || errno == ENOSYS || errno == EINVAL || errno == EBUSY || errno == EPERM);
    if (r == 0) {
        sched_yield();
        CHECK((int)area.cpu_id >= 0);
        OK(syscall(SYS_rseq, &area, sizeof area, 1, 0x53053053));
    }
    return NULL;
}

int main(void) {
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    if (commands < 0) {
        CHECK_EQ(errno, ENOSYS);
        say("no membarrier");
    } else {
        say("membarrier commands %lx", commands);
        if (commands & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) {
            FAILS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
            OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
            OK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
        }
        FAILS(syscall(SYS_membarrier, 1 << 30, 0, 0), EINVAL);
    }
    pthread_t t;
    ZERO(pthread_create(&t, NULL, thread, NULL));
    ZERO(pthread_join(t, NULL));
    return 0;
}
