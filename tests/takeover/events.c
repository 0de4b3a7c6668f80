/* An event loop: counters, timers and signals by descriptors, waited for with epoll. */
#include "../guests/guest.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

int main(void) {
    int loop = OK(epoll_create1(EPOLL_CLOEXEC));
    int counter = OK(eventfd(3, EFD_NONBLOCK));
    int steps = OK(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
    int timer = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    int signals = OK(signalfd(-1, &set, SFD_NONBLOCK));
    const int all[] = {counter, steps, timer, signals};
    for (int i = 0; i < 4; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        OK(epoll_ctl(loop, EPOLL_CTL_ADD, all[i], &event));
    }
    struct itimerspec soon = {.it_value = {.tv_nsec = 5000000}};
    OK(timerfd_settime(timer, 0, &soon, NULL));
    uint64_t value = 4, sum = 0, stepped = 0, expired = 0, caught = 0;
    OK(write(counter, &value, sizeof value));
    OK(kill(getpid(), SIGUSR1));
    for (int round = 0; sum < 20 || stepped < 2 || expired < 1 || caught < 1; round++) {
        CHECK(round < 100);
        struct epoll_event found[4];
        int n = OK(epoll_wait(loop, found, 4, 2000));
        CHECK(n > 0);
        for (int i = 0; i < n; i++) {
            switch (found[i].data.u32) {
            case 0:
                CHECK_EQ(read(counter, &value, sizeof value), 8);
                sum += value;
                value = sum < 20 ? 5 : 0;
                if (value)
                    OK(write(counter, &value, sizeof value));
                break;
            case 1:
                CHECK_EQ(read(steps, &value, sizeof value), 8);
                CHECK_EQ(value, 1);
                stepped++;
                break;
            case 2:
                CHECK_EQ(read(timer, &value, sizeof value), 8);
                expired += value;
                break;
            case 3: {
                struct signalfd_siginfo info;
                CHECK_EQ(read(signals, &info, sizeof info), sizeof info);
                CHECK_EQ(info.ssi_signo, SIGUSR1);
                caught++;
                break;
            }
            }
        }
    }
    say("sum %d steps %d expired %d caught %d", (int)sum, (int)stepped, (int)expired, (int)caught);
    return 0;
}
