/* A TCP server process and three client processes. */
#include "net.h"

int main(void) {
    uint16_t port;
    int server = listening(&port);
    pid_t children[3];
    for (int i = 0; i < 3; i++) {
        children[i] = OK(fork());
        if (children[i] == 0) {
            OK(close(server));
            int fd = connected(port);
            char text[100], reply[100];
            int n = snprintf(text, sizeof text, "I am %d", (int)getpid());
            write_all(fd, text, (size_t)n);
            OK(shutdown(fd, SHUT_WR));
            size_t got = read_to_end(fd, reply, sizeof reply);
            CHECK(got == (size_t)n + 4 && memcmp(reply, "you ", 4) == 0);
            CHECK(memcmp(reply + 4, text, (size_t)n) == 0);
            _exit(10 + i);
        }
    }
    for (int i = 0; i < 3; i++) {
        int fd = OK(accept(server, NULL, NULL));
        char text[100];
        size_t n = read_to_end(fd, text, sizeof text - 1);
        text[n] = 0;
        say("heard: %s", text);
        dprintf(fd, "you %s", text);
        OK(close(fd));
    }
    for (int i = 0; i < 3; i++)
        expect_exit(children[i], 10 + i);
    return 0;
}
