/* accept4, getsockname, getpeername, shutdown, and errors of unconnected sockets. */
#include "net.h"

int main(void) {
    uint16_t port;
    int server = listening(&port);
    int client = connected(port);
    struct sockaddr_in a, b, c;
    socklen_t size = sizeof a;
    int fd = OK(accept4(server, (struct sockaddr *)&a, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    OK(getsockname(client, (struct sockaddr *)&b, &size));
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    OK(getpeername(fd, (struct sockaddr *)&b, &size));
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    OK(getsockname(fd, (struct sockaddr *)&c, &size));
    CHECK_EQ(ntohs(c.sin_port), port);
    /* Room for half an address only: the kernel says how long it is. */
    unsigned char part[16];
    /* No byte of the address that is to be written. */
    unsigned char untouched = (unsigned char)~((unsigned char *)&a)[3];
    memset(part, untouched, sizeof part);
    size = 4;
    OK(getpeername(fd, (struct sockaddr *)part, &size));
    CHECK(size == 16 && part[4] == untouched && part[3] != untouched);
    say("server %u client %u", port, ntohs(a.sin_port));

    char text[10];
    FAILS(recv(fd, text, 10, 0), EAGAIN);
    OK(shutdown(client, SHUT_WR));
    OK(fcntl(fd, F_SETFL, 0));
    CHECK_EQ(recv(fd, text, 10, 0), 0);
    CHECK_EQ(send(fd, "half", 4, 0), 4);
    CHECK_EQ(recv(client, text, 10, 0), 4);
    signal(SIGPIPE, SIG_IGN);
    FAILS(send(client, "x", 1, 0), EPIPE);
    OK(shutdown(fd, SHUT_RDWR));
    CHECK_EQ(recv(client, text, 10, 0), 0);
    OK(fcntl(server, F_SETFL, O_NONBLOCK));
    FAILS(accept(server, NULL, NULL), EAGAIN);
    int fresh = OK(socket(AF_INET, SOCK_STREAM, 0));
    FAILS(getpeername(fresh, (struct sockaddr *)&a, &size), ENOTCONN);
    FAILS(send(fresh, "x", 1, MSG_NOSIGNAL), EPIPE);
    FAILS(recv(fresh, text, 1, 0), ENOTCONN);
    FAILS(shutdown(fresh, SHUT_RD), ENOTCONN);
    FAILS(accept(fresh, NULL, NULL), EINVAL);
    FAILS(socket(AF_INET, 99, 0), EINVAL);
    FAILS(socket(99, SOCK_STREAM, 0), EAFNOSUPPORT);
    FAILS(listen(0x7777, 1), EBADF);
    int p[2];
    OK(pipe(p));
    FAILS(bind(p[0], (struct sockaddr *)&a, sizeof a), ENOTSOCK);
    return 0;
}
