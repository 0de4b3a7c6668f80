/* Nonblocking connect: success by poll and SO_ERROR, refusal, and a listener that answers later. */
#include "net.h"
#include <poll.h>

int main(void) {
    uint16_t port, closed;
    int server = listening(&port);
    int fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    struct sockaddr_in a = loopback(port);
    int r = connect(fd, (struct sockaddr *)&a, sizeof a);
    CHECK(r == 0 || errno == EINPROGRESS);
    struct pollfd p = {fd, POLLOUT, 0};
    CHECK_EQ(poll(&p, 1, 1000), 1);
    int error = -1;
    socklen_t size = sizeof error;
    OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
    CHECK_EQ(error, 0);
    /* Asked again, the first connect may be reported once more. */
    r = connect(fd, (struct sockaddr *)&a, sizeof a);
    CHECK(r == 0 || errno == EISCONN);
    OK(close(OK(accept(server, NULL, NULL))));
    char c;
    CHECK_EQ(poll(&p, 1, 0), 1);
    p.events = POLLIN | POLLRDHUP;
    CHECK_EQ(poll(&p, 1, 1000), 1);
    CHECK(p.revents & POLLRDHUP);
    CHECK_EQ(recv(fd, &c, 1, 0), 0);

    /* A port that was just free: bound, but nobody listens. */
    int silent = bound(SOCK_STREAM, &closed);
    a = loopback(closed);
    int other = OK(socket(AF_INET, SOCK_STREAM, 0));
    FAILS(connect(other, (struct sockaddr *)&a, sizeof a), ECONNREFUSED);
    int third = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    r = connect(third, (struct sockaddr *)&a, sizeof a);
    CHECK(r == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED));
    if (errno == EINPROGRESS) {
        p = (struct pollfd){third, POLLOUT, 0};
        CHECK_EQ(poll(&p, 1, 1000), 1);
        OK(getsockopt(third, SOL_SOCKET, SO_ERROR, &error, &size));
        CHECK_EQ(error, ECONNREFUSED);
    }
    OK(close(silent));

    /* A reset: the peer closes with unread data. */
    int e[2];
    tcp_pair(e);
    write_all(e[0], "unread", 6);
    struct linger hard = {1, 0};
    OK(setsockopt(e[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard));
    OK(close(e[1]));
    FAILS(recv(e[0], &c, 1, 0), ECONNRESET);
    say("ports %u %u", port, closed);
    return 0;
}
