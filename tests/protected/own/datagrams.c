/*
 * Answers datagrams, some after it has asked somebody else, and echoes what comes over connections;
 * over both versions of the protocol.
 *
 *   datagrams PORT BACKEND BACKEND-PORT
 *
 * A datagram "ask N" is answered with what the backend says to "N", any other with itself.
 */
#include "../../guests/guest.h"
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

enum { CONNECTIONS_MAX = 16, ASK_MS = 300, BYTES_MAX = 2048 };

static struct sockaddr_in backend;

/* As a resolver does: from a socket of its own, again if nothing comes. */
static size_t ask(const char *question, size_t length, char *answer) {
    int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    for (;;) {
        OK(sendto(fd, question, length, 0, (struct sockaddr *)&backend, sizeof backend));
        if (OK(poll(&entry, 1, ASK_MS)) == 0)
            continue;
        ssize_t n = recv(fd, answer, BYTES_MAX, 0);
        /* The backend may not be there yet. */
        if (n < 0 && errno == ECONNREFUSED)
            continue;
        OK(close(fd));
        return (size_t)OK(n);
    }
}

static void answer_datagram(int fd) {
    char bytes[BYTES_MAX], answer[BYTES_MAX];
    struct sockaddr_in6 from;
    socklen_t len = sizeof from;
    ssize_t n = OK(recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &len));
    if (n > 4 && memcmp(bytes, "ask ", 4) == 0)
        n = (ssize_t)ask(bytes + 4, (size_t)n - 4, answer);
    else
        memcpy(answer, bytes, (size_t)n);
    OK(sendto(fd, answer, (size_t)n, 0, (struct sockaddr *)&from, len));
}

static int at_port(int kind, int port) {
    int fd = OK(socket(AF_INET6, kind, 0));
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    OK(bind(fd, (struct sockaddr *)&at, sizeof at));
    return fd;
}

int main(int argc, char **argv) {
    CHECK_EQ(argc, 4);
    backend.sin_family = AF_INET;
    backend.sin_port = htons((uint16_t)atoi(argv[3]));
    CHECK_EQ(inet_pton(AF_INET, argv[2], &backend.sin_addr), 1);
    struct pollfd entries[CONNECTIONS_MAX + 2] = {
        {.fd = at_port(SOCK_DGRAM, atoi(argv[1])), .events = POLLIN},
        {.fd = at_port(SOCK_STREAM, atoi(argv[1])), .events = POLLIN},
    };
    nfds_t count = 2;
    OK(listen(entries[1].fd, CONNECTIONS_MAX));
    for (;;) {
        OK(poll(entries, count, -1));
        if (entries[0].revents)
            answer_datagram(entries[0].fd);
        for (nfds_t i = 2; i < count; i++) {
            char bytes[BYTES_MAX];
            if (!entries[i].revents)
                continue;
            ssize_t n = OK(read(entries[i].fd, bytes, sizeof bytes));
            if (n == 4 && memcmp(bytes, "quit", 4) == 0)
                return 0;
            if (n > 0) {
                CHECK_EQ(OK(send(entries[i].fd, bytes, (size_t)n, MSG_NOSIGNAL)), n);
                continue;
            }
            OK(close(entries[i].fd));
            entries[i--] = entries[--count];
        }
        if (entries[1].revents) {
            CHECK(count < CONNECTIONS_MAX + 2);
            int fd = OK(accept(entries[1].fd, NULL, NULL));
            entries[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        }
    }
}
