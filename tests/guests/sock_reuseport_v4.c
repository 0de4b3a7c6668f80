/* SO_REUSEADDR, SO_REUSEPORT, addresses in use, getaddrinfo without the network. */
#include "net.h"
#include <netdb.h>

int main(void) {
    uint16_t port;
    int first = listening(&port);
    int second = OK(socket(AF_INET, SOCK_STREAM, 0)), on = 1;
    struct sockaddr_in a = loopback(port);
    FAILS(bind(second, (struct sockaddr *)&a, sizeof a), EADDRINUSE);
    a.sin_port = 0;
    OK(setsockopt(second, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
    OK(bind(second, (struct sockaddr *)&a, sizeof a));
    socklen_t size = sizeof a;
    OK(getsockname(second, (struct sockaddr *)&a, &size));
    OK(listen(second, 8));
    int third = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(setsockopt(third, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
    OK(bind(third, (struct sockaddr *)&a, sizeof a));
    OK(listen(third, 8));
    OK(fcntl(second, F_SETFL, O_NONBLOCK));
    OK(fcntl(third, F_SETFL, O_NONBLOCK));
    int shares[2] = {0, 0};
    for (int i = 0; i < 16; i++) {
        int c = connected(ntohs(a.sin_port)), s = accept(second, NULL, NULL);
        if (s >= 0) {
            shares[0]++;
        } else {
            s = OK(accept(third, NULL, NULL));
            shares[1]++;
        }
        OK(close(c));
        OK(close(s));
    }
    say("the kernel gave %d and %d", shares[0], shares[1]);
    CHECK_EQ(shares[0] + shares[1], 16);
    struct addrinfo hint = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *list;
    CHECK_EQ(getaddrinfo("127.0.0.1", "4321", &hint, &list), 0);
    CHECK(((struct sockaddr_in *)list->ai_addr)->sin_port == htons(4321));
    freeaddrinfo(list);
    a.sin_addr.s_addr = htonl(0xc0000201);
    a.sin_port = 0;
    FAILS(bind(OK(socket(AF_INET, SOCK_STREAM, 0)), (struct sockaddr *)&a, sizeof a), EADDRNOTAVAIL);
    OK(close(first));
    return 0;
}
