/* MSG_ZEROCOPY: the buffer belongs to the kernel until the error queue says so; and MSG_MORE, corking, MSG_FASTOPEN. */
#include "net.h"
#include <linux/errqueue.h>
#include <poll.h>
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

int main(void) {
    int ends[2];
    tcp_pair(ends);
    static char data[100000], back[100000];
    fill(data, sizeof data, 4);
    int one = 1;
    if (setsockopt(ends[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof one) == 0) {
        size_t sent = 0, got = 0;
        unsigned calls = 0, completed = 0;
        while (got < sizeof data) {
            if (sent < sizeof data) {
                ssize_t n = send(ends[0], data + sent, sizeof data - sent, MSG_ZEROCOPY | MSG_DONTWAIT);
                if (n > 0)
                    sent += (size_t)n, calls++;
                else
                    CHECK(errno == EAGAIN || errno == ENOBUFS);
            }
            ssize_t n = recv(ends[1], back + got, sizeof back - got, sent < sizeof data ? MSG_DONTWAIT : 0);
            if (n > 0)
                got += (size_t)n;
        }
        CHECK(memcmp(data, back, sizeof data) == 0);
        while (completed < calls) {
            struct pollfd p = {ends[0], 0, 0};
            CHECK_EQ(poll(&p, 1, 10000), 1);
            char control[200];
            struct msghdr m = {.msg_control = control, .msg_controllen = sizeof control};
            if (recvmsg(ends[0], &m, MSG_ERRQUEUE) < 0)
                continue;
            struct cmsghdr *c = CMSG_FIRSTHDR(&m);
            CHECK(c);
            struct sock_extended_err error;
            memcpy(&error, CMSG_DATA(c), sizeof error);
            CHECK_EQ(error.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
            completed += error.ee_data - error.ee_info + 1;
            say("done %u to %u, copied %d", error.ee_info, error.ee_data, error.ee_code);
        }
        say("%u sends", calls);
    }
    CHECK_EQ(send(ends[0], "one ", 4, MSG_MORE), 4);
    CHECK_EQ(send(ends[0], "packet", 6, 0), 6);
    CHECK_EQ(recv(ends[1], back, 10, MSG_WAITALL), 10);
    CHECK(memcmp(back, "one packet", 10) == 0);
    OK(setsockopt(ends[0], IPPROTO_TCP, TCP_CORK, &one, sizeof one));
    CHECK_EQ(write(ends[0], "corked", 6), 6);
    long n = recv(ends[1], back, 6, MSG_DONTWAIT);
    CHECK(n == 6 || errno == EAGAIN);
    one = 0;
    OK(setsockopt(ends[0], IPPROTO_TCP, TCP_CORK, &one, sizeof one));
    if (n != 6)
        CHECK_EQ(recv(ends[1], back, 6, MSG_WAITALL), 6);
    uint16_t port;
    int server = listening(&port), fast = OK(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in to = loopback(port);
    n = sendto(fast, "at once", 7, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to);
    if (n == 7) {
        int accepted = OK(accept(server, NULL, NULL));
        CHECK_EQ(recv(accepted, back, 7, MSG_WAITALL), 7);
    }
    say("fast open %ld", n);
    return 0;
}
