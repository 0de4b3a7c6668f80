/* Waits for time only, in every way. */
#include "../guests/guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static void later(struct timespec *at, long ms) {
    OK(clock_gettime(CLOCK_MONOTONIC, at));
    at->tv_nsec += ms * 1000000;
    at->tv_sec += at->tv_nsec / 1000000000;
    at->tv_nsec %= 1000000000;
}

int main(void) {
    int file = OK(open("slept", O_CREAT | O_WRONLY, 0644));
    struct timespec begun, now, at;
    OK(clock_gettime(CLOCK_MONOTONIC, &begun));
    for (int i = 0; i < 3; i++) {
        OK(nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL));
        CHECK_EQ(poll(NULL, 0, 10), 0);
        CHECK_EQ(select(0, NULL, NULL, NULL, &(struct timeval){.tv_usec = 10000}), 0);
        int loop = OK(epoll_create1(0));
        struct epoll_event event;
        CHECK_EQ(epoll_wait(loop, &event, 1, 10), 0);
        OK(close(loop));
        later(&at, 10);
        ZERO(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL));
        dprintf(file, "round %d\n", i);
    }
    OK(clock_gettime(CLOCK_MONOTONIC, &now));
    long ms = (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000;
    CHECK(ms >= 150 && ms < 20000);
    say("slept");
    return 0;
}
