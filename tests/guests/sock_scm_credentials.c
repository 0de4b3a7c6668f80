/* SCM_CREDENTIALS, SO_PASSCRED, SO_TIMESTAMP and other ancillary data. */
#include "net.h"

int main(void) {
    int pair[2], on = 1;
    OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    OK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    OK(setsockopt(pair[1], SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on));
    pid_t pid = OK(fork());
    if (pid == 0) {
        CHECK_EQ(send(pair[0], "who", 3, 0), 3);
        _exit(0);
    }
    char control[512], data[16];
    struct iovec v = {data, sizeof data};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK_EQ(recvmsg(pair[1], &m, 0), 3);
    struct ucred cred = {0, 0, 0};
    struct timeval stamp = {0, 0};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_type == SCM_CREDENTIALS)
            memcpy(&cred, CMSG_DATA(c), sizeof cred);
        if (c->cmsg_type == SCM_TIMESTAMP)
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
    }
    CHECK(cred.pid == pid && cred.uid == getuid() && cred.gid == getgid());
    CHECK(stamp.tv_sec > 1600000000);
    say("from %d at %ld.%06ld, control %zu", cred.pid, (long)stamp.tv_sec, (long)stamp.tv_usec,
        (size_t)m.msg_controllen);
    expect_exit(pid, 0);

    uint16_t port;
    int udp = bound(SOCK_DGRAM, &port);
    OK(setsockopt(udp, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
    OK(setsockopt(udp, IPPROTO_IP, IP_RECVTTL, &on, sizeof on));
    OK(setsockopt(udp, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on));
    struct sockaddr_in to = loopback(port), from;
    CHECK_EQ(sendto(udp, "self", 4, 0, (struct sockaddr *)&to, sizeof to), 4);
    m.msg_name = &from;
    m.msg_namelen = sizeof from;
    m.msg_controllen = sizeof control;
    CHECK_EQ(recvmsg(udp, &m, 0), 4);
    int kinds = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        kinds++;
    CHECK_EQ(kinds, 3);
    CHECK(m.msg_namelen == sizeof from && ntohs(from.sin_port) == port);
    say("ancillary %016lx", (unsigned long)hash(control, m.msg_controllen));
    /* Too little room for it. */
    CHECK_EQ(sendto(udp, "self", 4, 0, (struct sockaddr *)&to, sizeof to), 4);
    m.msg_controllen = 20;
    CHECK_EQ(recvmsg(udp, &m, 0), 4);
    CHECK(m.msg_flags & MSG_CTRUNC);
    return 0;
}
