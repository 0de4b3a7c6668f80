/* Unix datagram and seqpacket sockets keep message borders; autobind and the abstract namespace. */
#include "net.h"

int main(void) {
    int a = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), b = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
    struct sockaddr_un name = {.sun_family = AF_UNIX}, from;
    OK(bind(a, (struct sockaddr *)&name, sizeof(sa_family_t)));
    socklen_t size = sizeof name;
    OK(getsockname(a, (struct sockaddr *)&name, &size));
    CHECK(size > sizeof(sa_family_t) && name.sun_path[0] == 0);
    say("autobind chose %.*s", (int)(size - sizeof(sa_family_t) - 1), name.sun_path + 1);
    struct sockaddr_un file = {.sun_family = AF_UNIX, .sun_path = "dgram"};
    OK(bind(b, (struct sockaddr *)&file, sizeof file));
    CHECK_EQ(sendto(b, "one", 3, 0, (struct sockaddr *)&name, size), 3);
    CHECK_EQ(sendto(b, "twenty", 6, 0, (struct sockaddr *)&name, size), 6);
    char text[50];
    socklen_t from_size = sizeof from;
    CHECK_EQ(recvfrom(a, text, sizeof text, 0, (struct sockaddr *)&from, &from_size), 3);
    CHECK(strcmp(from.sun_path, "dgram") == 0);
    CHECK_EQ(recv(a, text, 2, 0), 2);
    FAILS(recv(a, text, 2, MSG_DONTWAIT), EAGAIN);

    int server = OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    int n = snprintf(abstract.sun_path + 1, 100, "guest-%d-%lx", (int)getpid(), (unsigned long)now_ns());
    socklen_t abstract_size = (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n);
    OK(bind(server, (struct sockaddr *)&abstract, abstract_size));
    OK(listen(server, 1));
    int client = OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
    OK(connect(client, (struct sockaddr *)&abstract, abstract_size));
    int fd = OK(accept(server, NULL, NULL));
    CHECK_EQ(send(client, "first", 5, 0), 5);
    CHECK_EQ(send(client, "second", 6, MSG_EOR), 6);
    CHECK_EQ(recv(fd, text, sizeof text, 0), 5);
    CHECK_EQ(recv(fd, text, sizeof text, 0), 6);
    OK(close(client));
    CHECK_EQ(recv(fd, text, sizeof text, 0), 0);

    int pair[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
    write_all(pair[0], "paired", 6);
    CHECK_EQ(read(pair[1], text, sizeof text), 6);
    FAILS(read(pair[1], text, sizeof text), EAGAIN);
    FAILS(socketpair(AF_INET, SOCK_STREAM, 0, pair), EOPNOTSUPP);
    say("abstract name %s", abstract.sun_path + 1);
    return 0;
}
