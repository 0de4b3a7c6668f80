/* How far the kernel writes: names, messages, ancillary data, options and System V objects. */
#include "outputs.h"
#include "net.h"
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#define CALL(name, ...) syscall(SYS_##name, __VA_ARGS__)
/* The room's length word, which stands behind the buffers. */
#define LENGTH(value) (*(socklen_t *)OUT(4096) = (value), OUT(4096))

int main(void) {
    uint16_t port;
    int server = listening(&port), client = connected(port);
    SEEN(CALL(accept, server, OUT(0), LENGTH(100)));
    SEEN(CALL(getsockname, client, OUT(0), LENGTH(16)));
    SEEN(CALL(getsockname, client, OUT(0), LENGTH(5)));
    SEEN(CALL(getsockname, client, OUT(0), LENGTH(0)));
    SEEN(CALL(getpeername, client, OUT(0), LENGTH(1000)));
    SEEN(CALL(getpeername, server, OUT(0), LENGTH(1000)));
    SEEN(CALL(getsockname, client, OUT(0), LENGTH((socklen_t)-1)));
    int udp = bound(SOCK_DGRAM, &port), sender = OK(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in to = loopback(port);
    SEEN(CALL(recvfrom, udp, OUT(0), 100, MSG_DONTWAIT, OUT(512), LENGTH(100)));
    for (int flags = 0; flags <= MSG_TRUNC; flags += MSG_TRUNC) {
        OK(sendto(sender, "a datagram", 10, 0, (struct sockaddr *)&to, sizeof to));
        SEEN(CALL(recvfrom, udp, OUT(0), 4, flags, OUT(512), LENGTH(100)));
        OK(sendto(sender, "a datagram", 10, 0, (struct sockaddr *)&to, sizeof to));
        SEEN(CALL(recvfrom, udp, OUT(0), 100, flags, OUT(512), LENGTH(3)));
        OK(sendto(sender, "a datagram", 10, 0, (struct sockaddr *)&to, sizeof to));
        SEEN(CALL(recvfrom, udp, OUT(0), 100, flags, NULL, NULL));
    }
    int on = 1;
    OK(setsockopt(udp, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on));
    OK(setsockopt(udp, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
    OK(setsockopt(udp, IPPROTO_IP, IP_RECVTTL, &on, sizeof on));
    for (size_t control = 0; control <= 200; control += 40) {
        OK(sendto(sender, "a datagram", 10, 0, (struct sockaddr *)&to, sizeof to));
        struct iovec v[2] = {{OUT(0), 4}, {OUT(100), 4}};
        struct msghdr m = {OUT(512), 100, v, 2, OUT(1024), control, 0x7fff};
        SEEN(CALL(recvmsg, udp, &m, 0));
        say("name %u control %zu flags %#x", m.msg_namelen, m.msg_controllen, (unsigned)m.msg_flags);
    }
    for (int i = 0; i < 3; i++)
        OK(sendto(sender, "datagrams", 9, 0, (struct sockaddr *)&to, sizeof to));
    struct iovec pieces[4] = {{OUT(0), 20}, {OUT(100), 20}, {OUT(200), 20}, {OUT(300), 20}};
    struct mmsghdr many[4];
    memset(many, 0, sizeof many);
    for (int i = 0; i < 4; i++)
        many[i].msg_hdr.msg_iov = &pieces[i], many[i].msg_hdr.msg_iovlen = 1;
    SEEN(CALL(recvmmsg, udp, many, 4, MSG_DONTWAIT, NULL));
    say("heads %016lx", (unsigned long)(many[0].msg_len + many[1].msg_len * 7 + many[3].msg_len * 11));

    int pair[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    SEEN(CALL(getpeername, pair[0], OUT(0), LENGTH(110)));
    SEEN(CALL(socketpair, AF_UNIX, SOCK_DGRAM, 0, OUT(0)));
    SEEN(CALL(socketpair, AF_INET, SOCK_DGRAM, 0, OUT(0)));
    for (size_t room_for = 0; room_for <= CMSG_SPACE(3 * sizeof(int)); room_for += 4) {
        union {
            struct cmsghdr head;
            char bytes[CMSG_SPACE(3 * sizeof(int))];
        } u;
        memset(&u, 0, sizeof u);
        struct iovec v = {(void *)(uintptr_t)"x", 1}, w = {OUT(0), 10};
        struct msghdr m = {NULL, 0, &v, 1, &u, sizeof u, 0}, n = {NULL, 0, &w, 1, OUT(1024), room_for, 0};
        u.head = (struct cmsghdr){CMSG_LEN(3 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        int fds[3] = {0, 1, 2};
        memcpy(CMSG_DATA(&u.head), fds, sizeof fds);
        OK(sendmsg(pair[0], &m, 0));
        SEEN(CALL(recvmsg, pair[1], &n, MSG_CMSG_CLOEXEC));
        say("control %zu flags %#x", n.msg_controllen, (unsigned)n.msg_flags);
    }
    static const struct {
        int level, name;
    } options[] = {{SOL_SOCKET, SO_TYPE},      {SOL_SOCKET, SO_ERROR},    {SOL_SOCKET, SO_SNDBUF},
                   {SOL_SOCKET, SO_LINGER},    {SOL_SOCKET, SO_RCVTIMEO}, {SOL_SOCKET, SO_BINDTODEVICE},
                   {SOL_SOCKET, SO_MEMINFO},   {SOL_SOCKET, SO_COOKIE},   {SOL_SOCKET, SO_PEERCRED},
                   {SOL_SOCKET, SO_PEERSEC},   {SOL_SOCKET, SO_DOMAIN},   {SOL_SOCKET, SO_INCOMING_CPU},
                   {IPPROTO_TCP, TCP_INFO},    {IPPROTO_TCP, TCP_NODELAY}, {IPPROTO_TCP, TCP_CONGESTION},
                   {IPPROTO_TCP, TCP_CC_INFO}, {IPPROTO_IP, IP_TOS},      {IPPROTO_IP, IP_MTU},
                   {IPPROTO_IP, IP_OPTIONS},   {IPPROTO_IP, IP_PKTOPTIONS}};
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
        for (socklen_t size = 0; size <= 512; size = size * 4 + 1)
            SEEN(CALL(getsockopt, client, options[i].level, options[i].name, OUT(0), LENGTH(size)));
    struct ifconf list = {.ifc_len = 100, .ifc_buf = OUT(0)};
    SEEN(ioctl(udp, SIOCGIFCONF, &list));
    say("length %d", list.ifc_len);
    SEEN((strcpy(OUT(0), "lo"), ioctl(udp, SIOCGIFHWADDR, OUT(0))));
    SEEN((strcpy(OUT(0), "lo"), ioctl(udp, SIOCGIFFLAGS, OUT(0))));
    SEEN(ioctl(udp, FIONREAD, OUT(0)));

    int queue = OK(msgget(IPC_PRIVATE, 0600)), set = OK(semget(IPC_PRIVATE, 5, 0600));
    int segment = OK(shmget(IPC_PRIVATE, 4096, 0600));
    SEEN(CALL(msgctl, queue, IPC_STAT, OUT(0)));
    SEEN(CALL(msgctl, 0, MSG_INFO, OUT(0)) >= 0);
    struct {
        long type;
        char text[10];
    } message = {5, "a message"};
    OK(msgsnd(queue, &message, 10, 0));
    SEEN(CALL(msgrcv, queue, OUT(0), 4, 0, MSG_NOERROR));
    OK(msgsnd(queue, &message, 10, 0));
    SEEN(CALL(msgrcv, queue, OUT(0), 4, 0, 0));
    SEEN(CALL(msgrcv, queue, OUT(0), 1000, 0, 0));
    SEEN(CALL(msgrcv, queue, OUT(0), 1000, 0, IPC_NOWAIT));
    SEEN(CALL(semctl, set, 0, IPC_STAT, OUT(0)));
    SEEN(CALL(semctl, set, 0, GETALL, OUT(0)));
    SEEN(CALL(semctl, 0, 0, SEM_INFO, OUT(0)) >= 0);
    SEEN(CALL(shmctl, segment, IPC_STAT, OUT(0)));
    SEEN(CALL(shmctl, 0, SHM_INFO, OUT(0)) >= 0);
    SEEN(CALL(shmctl, 0, IPC_INFO, OUT(0)) >= 0);
    OK(msgctl(queue, IPC_RMID, NULL));
    OK(semctl(set, 0, IPC_RMID));
    OK(shmctl(segment, IPC_RMID, NULL));
    return 0;
}
