/* An event-driven server: one epoll loop serves six client processes with nonblocking sockets. */
#include "net.h"
#include <sys/epoll.h>

enum { CLIENTS = 6, ROUNDS = 15 };

static void run_client(uint16_t port, int me) {
    int fd = connected(port);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t ask[2] = {(uint32_t)me, i}, answer;
        write_all(fd, ask, sizeof ask);
        read_exactly(fd, &answer, sizeof answer);
        CHECK_EQ(answer, (uint32_t)me * 1000 + i);
    }
    _exit(me);
}

int main(void) {
    uint16_t port;
    int server = listening(&port);
    OK(fcntl(server, F_SETFL, O_NONBLOCK));
    pid_t children[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        children[i] = OK(fork());
        if (children[i] == 0)
            run_client(port, i + 1);
    }
    int ep = OK(epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event e = {.events = EPOLLIN, .data.fd = server}, got[4];
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, server, &e));
    int closed = 0;
    uint64_t order = 0;
    while (closed < CLIENTS) {
        int n = OK(epoll_wait(ep, got, 4, -1));
        for (int i = 0; i < n; i++) {
            int fd = got[i].data.fd;
            if (fd == server) {
                int c;
                while ((c = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    e.events = EPOLLIN | EPOLLRDHUP;
                    e.data.fd = c;
                    OK(epoll_ctl(ep, EPOLL_CTL_ADD, c, &e));
                }
                CHECK_EQ(errno, EAGAIN);
                continue;
            }
            uint32_t ask[2];
            ssize_t r = read(fd, ask, sizeof ask);
            if (r == 0) {
                OK(close(fd));
                closed++;
                continue;
            }
            CHECK_EQ(r, sizeof ask);
            order = order * 31 + ask[0];
            uint32_t answer = ask[0] * 1000 + ask[1];
            CHECK_EQ(write(fd, &answer, sizeof answer), sizeof answer);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        expect_exit(children[i], i + 1);
    say("served in order %016lx", (unsigned long)order);
    return 0;
}
