/*
 * A TCP server on port 7000 that answers each request of 16 bytes with a hash of all bytes that came
 * on that connection, and with how many requests it has answered there. It keeps a file with all
 * answers; when two connections have been served to their ends it prints the file's hash, and ends.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST 16
#define CONNECTIONS 2

struct connection {
    unsigned long hash;
    unsigned answered;
    size_t kept;
    char bytes[REQUEST];
};

static void must(int holds, const char *what) {
    if (!holds) {
        perror(what);
        exit(1);
    }
}

static unsigned long add(unsigned long hash, const char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3ul;
    return hash;
}

static void answer(struct connection *from, int fd, int file) {
    char text[REQUEST + 9];
    struct timespec now;
    must(clock_gettime(CLOCK_MONOTONIC, &now) == 0, "clock");
    from->hash = add(from->hash, from->bytes, REQUEST);
    from->answered++;
    snprintf(text, sizeof text, "%016lx%08x", from->hash, from->answered);
    must(write(file, text, sizeof text - 1) == sizeof text - 1, "file");
    must(write(fd, text, sizeof text - 1) == sizeof text - 1, "answer");
}

int main(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7000)};
    struct pollfd fds[1 + CONNECTIONS];
    struct connection all[1 + CONNECTIONS] = {0};
    int on = 1, open_now = 0, served = 0;
    int file = open("answers", O_CREAT | O_RDWR | O_APPEND, 0600);
    must(file >= 0, "open");
    fds[0] = (struct pollfd){.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN};
    must(setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0, "option");
    must(bind(fds[0].fd, (void *)&at, sizeof at) == 0, "bind");
    must(listen(fds[0].fd, 8) == 0, "listen");
    must(write(1, "listening\n", 10) == 10, "say");
    while (served < CONNECTIONS) {
        must(poll(fds, 1 + open_now, -1) > 0, "poll");
        for (int i = 1; i <= open_now; i++) {
            if (!fds[i].revents)
                continue;
            struct connection *from = &all[i];
            ssize_t got = read(fds[i].fd, from->bytes + from->kept, REQUEST - from->kept);
            must(got >= 0, "read");
            from->kept += got;
            if (from->kept == REQUEST) {
                from->kept = 0;
                answer(from, fds[i].fd, file);
            }
            if (got == 0) {
                close(fds[i].fd);
                fds[i].fd = -1;
                served++;
            }
        }
        if (fds[0].revents) {
            int fd = accept(fds[0].fd, NULL, NULL);
            must(fd >= 0, "accept");
            open_now++;
            fds[open_now] = (struct pollfd){.fd = fd, .events = POLLIN};
            if (open_now == CONNECTIONS)
                fds[0].fd = -1;
        }
    }
    char content[4096];
    ssize_t length = pread(file, content, sizeof content, 0);
    must(length >= 0, "reading the file");
    printf("%zd %016lx\n", length, add(0, content, length));
    return 0;
}
