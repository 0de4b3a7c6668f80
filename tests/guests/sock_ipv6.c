/* IPv6 loopback, where the machine has it: TCP, UDP, and a dual-stack listener. */
#include "net.h"

int main(void) {
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        CHECK(errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
        say("no IPv6 here: %d", errno);
        return 0;
    }
    OK(listen(fd, 1));
    socklen_t size = sizeof a;
    OK(getsockname(fd, (struct sockaddr *)&a, &size));
    CHECK_EQ(size, sizeof a);
    int client = OK(socket(AF_INET6, SOCK_STREAM, 0));
    OK(connect(client, (struct sockaddr *)&a, sizeof a));
    struct sockaddr_in6 peer;
    int server = OK(accept(fd, (struct sockaddr *)&peer, &size));
    write_all(client, "six", 3);
    char text[100];
    read_exactly(server, text, 3);
    CHECK(inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text));
    CHECK(strcmp(text, "::1") == 0);
    say("%s port %u", text, ntohs(peer.sin6_port));

    int any = OK(socket(AF_INET6, SOCK_STREAM, 0)), off = 0;
    OK(setsockopt(any, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off));
    struct sockaddr_in6 all = {.sin6_family = AF_INET6};
    OK(bind(any, (struct sockaddr *)&all, sizeof all));
    OK(listen(any, 1));
    OK(getsockname(any, (struct sockaddr *)&all, &size));
    int four = connected(ntohs(all.sin6_port));
    int mapped = OK(accept(any, (struct sockaddr *)&peer, &size));
    CHECK(IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr));
    OK(close(four));
    CHECK_EQ(read(mapped, text, 1), 0);
    int hops = 0;
    size = sizeof hops;
    OK(getsockopt(client, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, &size));
    say("hops %d", hops);
    return 0;
}
