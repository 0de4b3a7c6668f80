/* Threads wait in calls whose results the kernel writes while another thread computes: what it finds in memory is not
 * yet what a replay has there, and lies beside what the computing thread itself changes. */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define TIMES 25

/* On one page, and in memory that both threads of another process see. */
struct both {
    uint64_t read;
    struct epoll_event events[4];
    struct pollfd polled;
    volatile uint64_t computed, rounds, done;
};
static struct both own __attribute__((aligned(4096)));
static struct both *shared;

static int timer(void) {
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    CHECK(fd >= 0);
    struct itimerspec every = {{0, 23000000}, {0, 23000000}};
    ZERO(timerfd_settime(fd, 0, &every, NULL));
    return fd;
}

static void reads(struct both *both) {
    int fd = timer();
    for (int i = 0; i < TIMES; i++) {
        CHECK(read(fd, &both->read, sizeof both->read) == sizeof both->read);
        CHECK(both->read > 0);
    }
    ZERO(close(fd));
}

static void *reads_into_own(void *unused) {
    reads(&own);
    own.done++;
    return unused;
}

static void *polls(void *unused) {
    int fd = timer(), epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1234567890};
    ZERO(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    own.polled = (struct pollfd){.fd = fd, .events = POLLIN};
    for (int i = 0; i < TIMES; i++) {
        uint64_t expired;
        if (i % 2)
            CHECK_EQ(epoll_wait(epoll, own.events, 4, -1), 1);
        else
            CHECK_EQ(poll(&own.polled, 1, -1), 1);
        CHECK(read(fd, &expired, sizeof expired) == sizeof expired);
        memset(own.events, 0, sizeof own.events);
        own.polled.revents = 0;
    }
    own.done++;
    return unused;
}

/* All that it does is in memory: its registers are the same in every round. */
static uint64_t computes(struct both *both, uint64_t until) {
    while (both->done < until) {
        for (volatile int i = 0; i < 1000; i++)
            both->computed = both->computed * 6364136223846793005ull + 1442695040888963407ull;
        both->rounds++;
    }
    return both->computed;
}

int main(void) {
    alarm(60);
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    pthread_t t[2];
    ZERO(pthread_create(&t[0], NULL, reads_into_own, NULL));
    ZERO(pthread_create(&t[1], NULL, polls, NULL));
    uint64_t computed = computes(&own, 2);
    for (int i = 0; i < 2; i++)
        ZERO(pthread_join(t[i], NULL));
    say("among threads: %lu rounds, %016lx", own.rounds, computed);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        reads(shared);
        shared->done++;
        _exit(0);
    }
    computed = computes(shared, 1);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    say("between processes: %lu rounds, %016lx", shared->rounds, computed);
    return 0;
}
