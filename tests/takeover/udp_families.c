/* One datagram socket asks for the way to peers of two families, as getaddrinfo does to sort
   what it has found. */
#include "../guests/guest.h"
#include <arpa/inet.h>

int main(void) {
    int fd = OK(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    six.sin6_addr = in6addr_loopback;
    OK(connect(fd, (struct sockaddr *)&six, sizeof six));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    OK(connect(fd, &none, sizeof none));
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(9)};
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    OK(connect(fd, (struct sockaddr *)&four, sizeof four));
    struct sockaddr_in6 own;
    socklen_t size = sizeof own;
    OK(getsockname(fd, (struct sockaddr *)&own, &size));
    CHECK(IN6_IS_ADDR_V4MAPPED(&own.sin6_addr));
    say("both families");
    OK(close(fd));
    return 0;
}
