/* Four threads wait on one epoll set; every message is taken exactly once. */
#include "guest.h"
#include <sys/epoll.h>

enum { PIPES = 8, MESSAGES = 200 };
static int ep, ends[PIPES][2];
static atomic_int taken;
static int per_thread[4];

static void *waiter(void *argument) {
    int me = (int)(intptr_t)argument;
    for (;;) {
        struct epoll_event e;
        int n = epoll_wait(ep, &e, 1, -1);
        if (n < 0 && errno == EINTR)
            continue;
        CHECK_EQ(n, 1);
        uint32_t value;
        ssize_t got = read(ends[e.data.u32][0], &value, sizeof value);
        if (got == 4) {
            if (value == ~0u)
                return NULL;
            per_thread[me]++;
            atomic_fetch_add(&taken, 1);
        } else {
            CHECK(got == -1 && errno == EAGAIN);
        }
        struct epoll_event again = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = e.data.u32};
        OK(epoll_ctl(ep, EPOLL_CTL_MOD, ends[e.data.u32][0], &again));
    }
}

int main(void) {
    ep = OK(epoll_create1(0));
    for (uint32_t i = 0; i < PIPES; i++) {
        OK(pipe2(ends[i], O_NONBLOCK));
        struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = i};
        OK(epoll_ctl(ep, EPOLL_CTL_ADD, ends[i][0], &e));
    }
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&t[i], NULL, waiter, (void *)(intptr_t)i));
    for (uint32_t i = 0; i < MESSAGES; i++)
        write_all(ends[i % PIPES][1], &i, sizeof i);
    while (atomic_load(&taken) < MESSAGES)
        sleep_ms(1);
    uint32_t stop = ~0u;
    for (int i = 0; i < 4; i++)
        write_all(ends[i][1], &stop, sizeof stop);
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(t[i], NULL));
    say("shares %d %d %d %d", per_thread[0], per_thread[1], per_thread[2], per_thread[3]);
    CHECK_EQ(per_thread[0] + per_thread[1] + per_thread[2] + per_thread[3], MESSAGES);
    return 0;
}
