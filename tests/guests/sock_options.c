/* getsockopt and setsockopt over many levels and options. */
#include "net.h"
#include <linux/filter.h>

static void show(int fd, int level, int option, const char *name) {
    unsigned char value[512];
    socklen_t size = sizeof value;
    memset(value, 0, sizeof value);
    int r = getsockopt(fd, level, option, value, &size);
    if (r != 0)
        say("%s: errno %d", name, errno);
    else
        say("%s: %u bytes %016lx", name, size, (unsigned long)hash(value, size));
}
#define SHOW(fd, level, option) show(fd, level, option, #option)

int main(void) {
    int e[2], on = 1, value;
    tcp_pair(e);
    int fd = e[0];
    socklen_t size = sizeof value;
    OK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    OK(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size));
    CHECK_EQ(value, 1);
    value = 20000;
    OK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof value));
    OK(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &size));
    CHECK(value >= 20000);
    struct linger l = {1, 3};
    OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l));
    l.l_linger = 0;
    size = sizeof l;
    OK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &size));
    CHECK(l.l_onoff == 1 && l.l_linger == 3);
    struct timeval t = {0, 10000};
    OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    char c;
    uint64_t start = now_ns();
    FAILS(recv(fd, &c, 1, 0), EAGAIN);
    say("receive time-out after %lu ns", (unsigned long)(now_ns() - start));
    SHOW(fd, SOL_SOCKET, SO_TYPE);
    SHOW(fd, SOL_SOCKET, SO_DOMAIN);
    SHOW(fd, SOL_SOCKET, SO_PROTOCOL);
    SHOW(fd, SOL_SOCKET, SO_ERROR);
    SHOW(fd, SOL_SOCKET, SO_SNDBUF);
    SHOW(fd, SOL_SOCKET, SO_KEEPALIVE);
    SHOW(fd, SOL_SOCKET, SO_ACCEPTCONN);
    SHOW(fd, SOL_SOCKET, SO_INCOMING_CPU);
    SHOW(fd, SOL_SOCKET, SO_COOKIE);
    SHOW(fd, SOL_SOCKET, SO_MEMINFO);
    SHOW(fd, SOL_SOCKET, SO_BUSY_POLL);
    SHOW(fd, IPPROTO_TCP, TCP_INFO);
    SHOW(fd, IPPROTO_TCP, TCP_MAXSEG);
    SHOW(fd, IPPROTO_TCP, TCP_CONGESTION);
    SHOW(fd, IPPROTO_TCP, TCP_USER_TIMEOUT);
    SHOW(fd, IPPROTO_TCP, TCP_QUICKACK);
    SHOW(fd, IPPROTO_IP, IP_TTL);
    SHOW(fd, IPPROTO_IP, IP_TOS);
    SHOW(fd, IPPROTO_IP, IP_MTU);
    for (int option = TCP_CORK; option <= TCP_KEEPCNT; option++) {
        value = 5;
        int r = setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value);
        say("tcp option %d: %d", option, r);
    }
    OK(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
    OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    OK(setsockopt(fd, IPPROTO_IP, IP_TOS, &on, sizeof on));
    OK(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
    struct tcp_info info;
    size = sizeof info;
    OK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size));
    CHECK_EQ(info.tcpi_state, TCP_ESTABLISHED);
    say("rtt %u us", info.tcpi_rtt);
    size = 2;
    unsigned short two = 0;
    OK(getsockopt(fd, SOL_SOCKET, SO_TYPE, &two, &size));
    CHECK_EQ(two, SOCK_STREAM);
    FAILS(getsockopt(fd, SOL_SOCKET, 9999, &value, &size), ENOPROTOOPT);
    FAILS(setsockopt(fd, 9999, 1, &value, sizeof value), ENOPROTOOPT);
    FAILS(getsockopt(1000, SOL_SOCKET, SO_TYPE, &value, &size), EBADF);

    /* A socket filter that drops everything. */
    uint16_t port;
    int udp = bound(SOCK_DGRAM, &port);
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &drop};
    OK(setsockopt(udp, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
    struct sockaddr_in to = loopback(port);
    CHECK_EQ(sendto(udp, "x", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
    FAILS(recv(udp, &c, 1, MSG_DONTWAIT), EAGAIN);
    OK(setsockopt(udp, SOL_SOCKET, SO_DETACH_FILTER, &value, sizeof value));
    struct ip_mreqn group = {.imr_multiaddr.s_addr = htonl(0xe0000123), .imr_address.s_addr = htonl(INADDR_LOOPBACK)};
    int r = setsockopt(udp, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group);
    say("multicast membership %d", r);
    return 0;
}
