/* Ancillary data of datagrams: interface, hop limit, type of service, timestamps, segments, overflow count, both families. */
#include "net.h"
#include <linux/net_tstamp.h>
#include <netinet/udp.h>
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

static int receive(int fd, int flags) {
    char control[512], text[200];
    struct iovec v = {text, sizeof text};
    struct sockaddr_storage from;
    struct msghdr m = {&from, sizeof from, &v, 1, control, sizeof control, 0};
    ssize_t n = recvmsg(fd, &m, flags);
    if (n < 0)
        return -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        say("  level %d type %d size %zu %016lx", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len,
            (unsigned long)hash(CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0)));
    say("%zd bytes, flags %#x, name %u", n, (unsigned)m.msg_flags, m.msg_namelen);
    return (int)n;
}

static void on(int fd, int level, int option) {
    int one = 1;
    if (setsockopt(fd, level, option, &one, sizeof one) != 0)
        say("option %d/%d: errno %d", level, option, errno);
}

int main(void) {
    uint16_t port;
    int fd = bound(SOCK_DGRAM, &port), out = OK(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in to = loopback(port);
    on(fd, IPPROTO_IP, IP_PKTINFO);
    on(fd, IPPROTO_IP, IP_RECVTTL);
    on(fd, IPPROTO_IP, IP_RECVTOS);
    on(fd, IPPROTO_IP, IP_RECVORIGDSTADDR);
    on(fd, IPPROTO_IP, IP_RECVOPTS);
    on(fd, SOL_SOCKET, SO_RXQ_OVFL);
    on(fd, SOL_SOCKET, SO_TIMESTAMPNS);
    /* Sent with control data, too. */
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int))];
    } u;
    memset(&u, 0, sizeof u);
    struct iovec v = {(void *)(uintptr_t)"a datagram", 10};
    struct msghdr m = {&to, sizeof to, &v, 1, &u, CMSG_SPACE(sizeof(int)), 0};
    u.head = (struct cmsghdr){CMSG_LEN(sizeof(int)), IPPROTO_IP, IP_TTL};
    int ttl = 77;
    memcpy(CMSG_DATA(&u.head), &ttl, sizeof ttl);
    CHECK_EQ(sendmsg(out, &m, 0), 10);
    CHECK_EQ(receive(fd, 0), 10);
    u.head = (struct cmsghdr){CMSG_LEN(sizeof(struct in_pktinfo)), IPPROTO_IP, IP_PKTINFO};
    m.msg_controllen = CMSG_SPACE(sizeof(struct in_pktinfo));
    struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(0x7f000005)};
    memcpy(CMSG_DATA(&u.head), &info, sizeof info);
    CHECK_EQ(sendmsg(out, &m, 0), 10);
    CHECK_EQ(receive(fd, MSG_PEEK), 10);
    CHECK_EQ(receive(fd, 0), 10);
    /* One send, several datagrams. */
    uint16_t segment = 4;
    memset(&u, 0, sizeof u);
    u.head = (struct cmsghdr){CMSG_LEN(sizeof segment), SOL_UDP, UDP_SEGMENT};
    memcpy(CMSG_DATA(&u.head), &segment, sizeof segment);
    m.msg_controllen = CMSG_SPACE(sizeof segment);
    if (sendmsg(out, &m, 0) == 10) {
        CHECK_EQ(receive(fd, 0), 4);
        CHECK_EQ(receive(fd, 0), 4);
        CHECK_EQ(receive(fd, 0), 2);
    }
    CHECK_EQ(receive(fd, MSG_DONTWAIT), -EAGAIN);
    /* What the sender learns of its own packets comes through the error queue. */
    int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID;
    OK(setsockopt(out, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags));
    OK(sendto(out, "stamped", 7, 0, (struct sockaddr *)&to, sizeof to));
    say("error queue: %d", receive(out, MSG_ERRQUEUE | MSG_DONTWAIT));
    CHECK_EQ(receive(fd, 0), 7);

    int six = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    if (six < 0 || bind(six, (struct sockaddr *)&to6, sizeof to6) != 0) {
        say("no IPv6");
        return 0;
    }
    socklen_t size = sizeof to6;
    OK(getsockname(six, (struct sockaddr *)&to6, &size));
    on(six, IPPROTO_IPV6, IPV6_RECVPKTINFO);
    on(six, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
    on(six, IPPROTO_IPV6, IPV6_RECVTCLASS);
    CHECK_EQ(sendto(six, "to myself", 9, 0, (struct sockaddr *)&to6, sizeof to6), 9);
    CHECK_EQ(receive(six, 0), 9);
    return 0;
}
