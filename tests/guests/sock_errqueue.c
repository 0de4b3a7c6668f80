/* IP_RECVERR: an ICMP refusal comes back through the error queue with its origin. */
#include "net.h"
#include <linux/errqueue.h>
#include <poll.h>

int main(void) {
    uint16_t pa, pb;
    int a = bound(SOCK_DGRAM, &pa), b = bound(SOCK_DGRAM, &pb), on = 1;
    OK(close(b));
    OK(setsockopt(a, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
    struct sockaddr_in to = loopback(pb), name;
    CHECK_EQ(sendto(a, "lost", 4, 0, (struct sockaddr *)&to, sizeof to), 4);
    struct pollfd p = {a, 0, 0};
    CHECK_EQ(poll(&p, 1, 1000), 1);
    CHECK(p.revents & POLLERR);
    char control[512], data[64];
    struct iovec v = {data, sizeof data};
    struct msghdr m = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &v, .msg_iovlen = 1,
                       .msg_control = control, .msg_controllen = sizeof control};
    CHECK_EQ(recvmsg(a, &m, MSG_ERRQUEUE), 4);
    CHECK(m.msg_flags & MSG_ERRQUEUE);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    CHECK(c && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR);
    struct sock_extended_err *e = (struct sock_extended_err *)CMSG_DATA(c);
    CHECK_EQ(e->ee_errno, ECONNREFUSED);
    CHECK_EQ(ntohs(name.sin_port), pb);
    say("origin %u type %u code %u", e->ee_origin, e->ee_type, e->ee_code);
    FAILS(recvmsg(a, &m, MSG_ERRQUEUE | MSG_DONTWAIT), EAGAIN);
    return 0;
}
