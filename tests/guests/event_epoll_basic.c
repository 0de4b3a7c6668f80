/* epoll: level, edge and one-shot triggering, modify, delete, nesting, errors. */
#include "guest.h"
#include <sys/epoll.h>

int main(void) {
    int ep = OK(epoll_create1(EPOLL_CLOEXEC));
    int p[2], q[2];
    OK(pipe2(p, O_NONBLOCK));
    OK(pipe2(q, O_NONBLOCK));
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x1111222233334444}, got[8];
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
    FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e), EEXIST);
    CHECK_EQ(epoll_wait(ep, got, 8, 0), 0);
    write_all(p[1], "ab", 2);
    CHECK_EQ(epoll_wait(ep, got, 8, -1), 1);
    CHECK(got[0].events == EPOLLIN && got[0].data.u64 == 0x1111222233334444);
    CHECK_EQ(epoll_wait(ep, got, 8, 0), 1);

    e.events = EPOLLIN | EPOLLET;
    e.data.fd = p[0];
    OK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
    CHECK_EQ(epoll_wait(ep, got, 8, 0), 1);
    CHECK_EQ(epoll_wait(ep, got, 8, 0), 0);
    char c[8];
    CHECK_EQ(read(p[0], c, 1), 1);
    CHECK_EQ(epoll_wait(ep, got, 8, 1), 0);
    write_all(p[1], "c", 1);
    CHECK_EQ(epoll_wait(ep, got, 8, 0), 1);

    e.events = EPOLLOUT | EPOLLONESHOT;
    e.data.fd = q[1];
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, q[1], &e));
    CHECK_EQ(epoll_wait(ep, got, 8, 0), 1);
    CHECK(got[0].data.fd == q[1] && got[0].events == EPOLLOUT);
    CHECK_EQ(epoll_wait(ep, got, 8, 0), 0);
    OK(epoll_ctl(ep, EPOLL_CTL_MOD, q[1], &e));
    CHECK_EQ(epoll_wait(ep, got, 8, 0), 1);
    OK(epoll_ctl(ep, EPOLL_CTL_DEL, q[1], NULL));
    FAILS(epoll_ctl(ep, EPOLL_CTL_DEL, q[1], NULL), ENOENT);

    int outer = OK(epoll_create(1));
    e.events = EPOLLIN;
    e.data.fd = ep;
    OK(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &e));
    FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, outer, &e), ELOOP);
    write_all(p[1], "d", 1);
    CHECK_EQ(epoll_wait(outer, got, 8, 100), 1);
    CHECK_EQ(got[0].data.fd, ep);
    OK(close(p[1]));
    CHECK_EQ(epoll_wait(ep, got, 8, 0), 1);
    CHECK(got[0].events & EPOLLHUP);
    int file = OK(open("plain", O_RDWR | O_CREAT, 0600));
    FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, file, &e), EPERM);
    FAILS(epoll_wait(ep, got, 0, 0), EINVAL);
    FAILS(epoll_wait(file, got, 1, 0), EINVAL);
    say("epoll fds %d %d", ep, outer);
    return 0;
}
