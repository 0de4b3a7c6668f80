/* Whoever learns of an event after it was stamped reads a later time: over threads, processes, signals and memory. */
#include "guest.h"
#include <sys/socket.h>

struct shared {
    _Atomic uint64_t turn;
    uint64_t stamp;
};
static int pair[2];

static uint64_t now(int kind) {
    struct timespec t;
    if (kind % 2)
        OK(clock_gettime(CLOCK_MONOTONIC, &t));
    else
        OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t));
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void ping_pong(int fd, int starts) {
    uint64_t stamp = 0;
    for (int i = 0; i < 200; i++) {
        if (starts || i > 0) {
            uint64_t mine = now(i);
            CHECK(mine >= stamp);
            CHECK_EQ(send(fd, &mine, sizeof mine, 0), (ssize_t)sizeof mine);
            if (starts && i == 199)
                break;
        }
        CHECK_EQ(recv(fd, &stamp, sizeof stamp, 0), (ssize_t)sizeof stamp);
        CHECK(now(i + 1) >= stamp);
    }
}

static void *thread(void *unused) {
    (void)unused;
    ping_pong(pair[1], 0);
    return NULL;
}

static void by_memory(struct shared *s, unsigned me) {
    for (int i = 0; i < 200; i++) {
        while (atomic_load(&s->turn) % 2 != me)
            sched_yield();
        uint64_t mine = now(i);
        CHECK(mine >= s->stamp);
        s->stamp = mine;
        atomic_fetch_add(&s->turn, 1);
    }
}

int main(void) {
    OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
    pthread_t t;
    ZERO(pthread_create(&t, NULL, thread, NULL));
    ping_pong(pair[0], 1);
    ZERO(pthread_join(t, NULL));
    pid_t pid = OK(fork());
    if (pid == 0) {
        ping_pong(pair[1], 0);
        _exit(0);
    }
    ping_pong(pair[0], 1);
    expect_exit(pid, 0);
    struct shared *s = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pid = OK(fork());
    if (pid == 0) {
        by_memory(s, 1);
        _exit(0);
    }
    by_memory(s, 0);
    expect_exit(pid, 0);
    /* What a wait promised has passed when it returns. */
    for (int i = 0; i < 5; i++) {
        struct timespec until;
        OK(clock_gettime(CLOCK_MONOTONIC, &until));
        until.tv_nsec += 2000000;
        if (until.tv_nsec >= 1000000000)
            until.tv_nsec -= 1000000000, until.tv_sec++;
        ZERO(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
        CHECK(now(i) >= (uint64_t)until.tv_sec * 1000000000u + (uint64_t)until.tv_nsec);
    }
    say("last %lu", (unsigned long)s->stamp);
    return 0;
}
