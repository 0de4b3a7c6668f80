/* EPOLLONESHOT and EPOLLEXCLUSIVE over threads and processes: no message is lost, none taken twice. */
#include "guest.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { THREADS = 3, MESSAGES = 60 };
static int e, pair[2], done;
static _Atomic int taken[MESSAGES], total;

static void *worker(void *argument) {
    long mine = 0;
    for (;;) {
        struct epoll_event got;
        int n = epoll_wait(e, &got, 1, -1);
        if (n < 0) {
            CHECK_EQ(errno, EINTR);
            continue;
        }
        if (got.data.fd == done)
            return (void *)mine;
        int message;
        CHECK_EQ(recv(pair[1], &message, sizeof message, 0), (ssize_t)sizeof message);
        atomic_fetch_add(&taken[message], 1);
        mine++;
        if (atomic_fetch_add(&total, 1) + 1 == MESSAGES) {
            uint64_t one = 1;
            CHECK_EQ(write(done, &one, 8), 8);
        }
        /* Until here nobody else was told of it. */
        got.events = EPOLLIN | EPOLLONESHOT;
        OK(epoll_ctl(e, EPOLL_CTL_MOD, pair[1], &got));
        if ((intptr_t)argument == 0)
            sched_yield();
    }
}

int main(void) {
    OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    e = OK(epoll_create1(0));
    done = OK(eventfd(0, EFD_NONBLOCK));
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = pair[1]};
    OK(epoll_ctl(e, EPOLL_CTL_ADD, pair[1], &event));
    event = (struct epoll_event){.events = EPOLLIN, .data.fd = done};
    OK(epoll_ctl(e, EPOLL_CTL_ADD, done, &event));
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++)
        ZERO(pthread_create(&threads[i], NULL, worker, (void *)i));
    for (int i = 0; i < MESSAGES; i++)
        CHECK_EQ(send(pair[0], &i, sizeof i, 0), (ssize_t)sizeof i);
    long sum = 0;
    for (int i = 0; i < THREADS; i++) {
        void *mine;
        ZERO(pthread_join(threads[i], &mine));
        say("thread %d took %ld", i, (long)(intptr_t)mine);
        sum += (long)(intptr_t)mine;
    }
    CHECK_EQ(sum, MESSAGES);
    for (int i = 0; i < MESSAGES; i++)
        CHECK_EQ(taken[i], 1);

    /* Exclusive waits of several processes on one counter. */
    int counter = OK(eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK)), p[2];
    OK(pipe(p));
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = OK(fork());
        if (pids[i] == 0) {
            int own = OK(epoll_create1(0));
            event = (struct epoll_event){.events = EPOLLIN | EPOLLEXCLUSIVE};
            OK(epoll_ctl(own, EPOLL_CTL_ADD, counter, &event));
            for (;;) {
                CHECK_EQ(epoll_wait(own, &event, 1, -1), 1);
                uint64_t one;
                if (read(counter, &one, 8) == 8) {
                    char name = (char)('a' + i);
                    write_all(p[1], &name, 1);
                    _exit(0);
                }
            }
        }
    }
    char order[4] = {0};
    for (int i = 0; i < 3; i++) {
        uint64_t one = 1;
        CHECK_EQ(write(counter, &one, 8), 8);
        read_exactly(p[0], order + i, 1);
    }
    for (int i = 0; i < 3; i++)
        expect_exit(pids[i], 0);
    say("order %s", order);
    return 0;
}
