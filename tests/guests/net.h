/* Addresses and listening sockets for the guests that use the loopback interface. */
#ifndef NET_H
#define NET_H
#include "guest.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

__attribute__((unused)) static struct sockaddr_in loopback(uint16_t port) {
    struct sockaddr_in a;
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons(port);
    return a;
}

/* A socket bound to a port the kernel chose. */
__attribute__((unused)) static int bound(int type, uint16_t *port) {
    int fd = OK(socket(AF_INET, type, 0));
    struct sockaddr_in a = loopback(0);
    OK(bind(fd, (struct sockaddr *)&a, sizeof a));
    socklen_t size = sizeof a;
    OK(getsockname(fd, (struct sockaddr *)&a, &size));
    *port = ntohs(a.sin_port);
    return fd;
}

__attribute__((unused)) static int listening(uint16_t *port) {
    int fd = bound(SOCK_STREAM | SOCK_CLOEXEC, port);
    OK(listen(fd, 16));
    return fd;
}

__attribute__((unused)) static int connected(uint16_t port) {
    int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = loopback(port);
    OK(connect(fd, (struct sockaddr *)&a, sizeof a));
    return fd;
}

/* Both ends of one TCP connection. */
__attribute__((unused)) static void tcp_pair(int ends[2]) {
    uint16_t port;
    int server = listening(&port);
    ends[0] = connected(port);
    ends[1] = OK(accept(server, NULL, NULL));
    OK(close(server));
}
#endif
