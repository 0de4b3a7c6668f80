/* UDP: sendto and recvfrom with addresses, connected sockets, refused ports, truncation. */
#include "net.h"
#include <sys/ioctl.h>

int main(void) {
    uint16_t pa, pb;
    int a = bound(SOCK_DGRAM, &pa), b = bound(SOCK_DGRAM, &pb);
    struct sockaddr_in to = loopback(pb), from;
    CHECK_EQ(sendto(a, "datagram", 8, 0, (struct sockaddr *)&to, sizeof to), 8);
    char text[100];
    socklen_t size = sizeof from;
    CHECK_EQ(recvfrom(b, text, sizeof text, 0, (struct sockaddr *)&from, &size), 8);
    CHECK(size == sizeof from && ntohs(from.sin_port) == pa && from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK_EQ(sendto(a, "", 0, 0, (struct sockaddr *)&to, sizeof to), 0);
    CHECK_EQ(recv(b, text, sizeof text, 0), 0);
    CHECK_EQ(sendto(a, "longer than asked", 17, 0, (struct sockaddr *)&to, sizeof to), 17);
    int waiting;
    OK(ioctl(b, FIONREAD, &waiting));
    CHECK_EQ(waiting, 17);
    CHECK_EQ(recv(b, text, 6, MSG_TRUNC | MSG_PEEK), 17);
    CHECK_EQ(recv(b, text, 6, 0), 6);
    FAILS(recv(b, text, 1, MSG_DONTWAIT), EAGAIN);

    OK(connect(a, (struct sockaddr *)&to, sizeof to));
    CHECK_EQ(send(a, "connected", 9, 0), 9);
    CHECK_EQ(read(b, text, sizeof text), 9);
    OK(close(b));
    CHECK_EQ(send(a, "nobody", 6, 0), 6);
    FAILS(recv(a, text, sizeof text, 0), ECONNREFUSED);
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    OK(connect(a, &nowhere, sizeof nowhere));
    FAILS(send(a, "x", 1, 0), EDESTADDRREQ);
    static char big[70000];
    to = loopback(pa);
    FAILS(sendto(a, big, sizeof big, 0, (struct sockaddr *)&to, sizeof to), EMSGSIZE);
    say("ports %u %u", pa, pb);
    return 0;
}
