/* timerfd: one shot, interval with counted expirations, absolute, disarm, gettime. */
#include "guest.h"
#include <poll.h>
#include <sys/timerfd.h>

int main(void) {
    int fd = OK(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    struct itimerspec set = {{0, 0}, {0, 5000000}}, old;
    OK(timerfd_settime(fd, 0, &set, NULL));
    uint64_t n = 0, start = now_ns();
    CHECK_EQ(read(fd, &n, sizeof n), 8);
    CHECK_EQ(n, 1);
    say("one shot after %lu ns", (unsigned long)(now_ns() - start));
    set.it_interval.tv_nsec = 2000000;
    OK(timerfd_settime(fd, 0, &set, &old));
    CHECK(old.it_value.tv_nsec == 0);
    sleep_ms(12);
    CHECK_EQ(read(fd, &n, sizeof n), 8);
    CHECK(n >= 3);
    say("%lu expirations", (unsigned long)n);
    OK(timerfd_gettime(fd, &old));
    /* Of a timer that expires just now nothing remains. */
    CHECK(old.it_interval.tv_nsec == 2000000 && old.it_value.tv_nsec >= 0 && old.it_value.tv_nsec <= 2000000);
    say("remaining %ld", old.it_value.tv_nsec);
    memset(&set, 0, sizeof set);
    OK(timerfd_settime(fd, 0, &set, NULL));
    OK(fcntl(fd, F_SETFL, O_NONBLOCK));
    FAILS(read(fd, &n, sizeof n), EAGAIN);

    int real = OK(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));
    struct timespec t;
    OK(clock_gettime(CLOCK_REALTIME, &t));
    set.it_value.tv_sec = t.tv_sec;
    set.it_value.tv_nsec = t.tv_nsec + 3000000;
    if (set.it_value.tv_nsec >= 1000000000) {
        set.it_value.tv_nsec -= 1000000000;
        set.it_value.tv_sec++;
    }
    OK(timerfd_settime(real, TFD_TIMER_ABSTIME, &set, NULL));
    struct pollfd p = {real, POLLIN, 0};
    CHECK_EQ(poll(&p, 1, 1000), 1);
    CHECK_EQ(read(real, &n, sizeof n), 8);
    FAILS(timerfd_create(99, 0), EINVAL);
    FAILS(read(fd, &n, 4), EINVAL);
    return 0;
}
