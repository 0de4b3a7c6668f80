/* An epoll set whose entries are reported once: those that were reported and not asked for again stay
 * silent, those that are armed do not, and what else is in the set is as ready as it is. */
#include "../guests/guest.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { TOLD = 100, SILENT, ARMED, LEVEL };
static int set;

static void watch(int operation, int fd, uint32_t events, uint32_t number) {
    struct epoll_event event = {.events = events, .data.u64 = 0x1234500000000ull + number};
    OK(epoll_ctl(set, operation, fd, &event));
}

/* Which of them are reported, as bits. */
static unsigned ready(int ms) {
    struct epoll_event events[8];
    int n = OK(epoll_wait(set, events, 8, ms));
    unsigned all = 0;
    for (int i = 0; i < n; i++) {
        CHECK_EQ(events[i].data.u64 >> 20, 0x1234500000000ull >> 20);
        all |= 1u << ((uint32_t)events[i].data.u64 - TOLD);
    }
    return all;
}

static unsigned bit(int number) {
    return 1u << (number - TOLD);
}

int main(void) {
    int pair[2], pipe_[2], level, armed;
    set = OK(epoll_create1(0));
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    OK(pipe(pipe_));
    level = OK(eventfd(1, 0));
    armed = OK(eventfd(0, 0));
    watch(EPOLL_CTL_ADD, pair[0], EPOLLIN | EPOLLONESHOT, TOLD);
    watch(EPOLL_CTL_ADD, pipe_[0], EPOLLIN | EPOLLONESHOT, SILENT);
    watch(EPOLL_CTL_ADD, armed, EPOLLIN | EPOLLONESHOT, ARMED);
    watch(EPOLL_CTL_ADD, level, EPOLLIN, LEVEL);
    CHECK_EQ(ready(0), bit(LEVEL));
    OK(write(pair[1], "abc", 3));
    OK(write(pipe_[1], "abc", 3));
    CHECK_EQ(ready(0), bit(TOLD) | bit(SILENT) | bit(LEVEL));
    say("told");
    char bytes[8];
    CHECK_EQ(read(pipe_[0], bytes, 3), 3);
    CHECK_EQ(ready(0), bit(LEVEL));
    usleep(2000);
    OK(write(pair[1], "def", 3));
    OK(write(pipe_[1], "def", 3));
    OK(close(pair[1]));
    for (int i = 0; i < 5; i++)
        CHECK_EQ(ready(1), bit(LEVEL));
    say("silent");
    uint64_t one = 1;
    OK(write(armed, &one, 8));
    CHECK_EQ(ready(0), bit(ARMED) | bit(LEVEL));
    watch(EPOLL_CTL_MOD, pair[0], EPOLLIN | EPOLLONESHOT, TOLD);
    CHECK_EQ(ready(0), bit(TOLD) | bit(LEVEL));
    CHECK_EQ(read(pair[0], bytes, 8), 6);
    pid_t child = OK(fork());
    if (child == 0) {
        watch(EPOLL_CTL_MOD, armed, EPOLLIN | EPOLLONESHOT, ARMED);
        CHECK_EQ(ready(0), bit(ARMED) | bit(LEVEL));
        _exit(0);
    }
    expect_exit(child, 0);
    CHECK_EQ(ready(0), bit(LEVEL));
    CHECK_EQ(read(armed, &one, 8), 8);
    watch(EPOLL_CTL_MOD, armed, EPOLLIN | EPOLLONESHOT, ARMED);
    usleep(2000);
    CHECK_EQ(ready(0), bit(LEVEL));
    OK(write(armed, &one, 8));
    CHECK_EQ(ready(0), bit(ARMED) | bit(LEVEL));
    say("armed");
    return 0;
}
