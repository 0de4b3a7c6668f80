/* Descriptors of processes that come through sockets: SO_PEERPIDFD, SCM_PIDFD; and who is at the other end. */
#include "net.h"
#include <poll.h>
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#define SO_PEERPIDFD 77
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

int main(void) {
    int listener = OK(socket(AF_UNIX, SOCK_STREAM, 0));
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
    OK(bind(listener, (struct sockaddr *)&name, sizeof name));
    OK(listen(listener, 1));
    pid_t pid = OK(fork());
    if (pid == 0) {
        int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
        OK(connect(fd, (struct sockaddr *)&name, sizeof name));
        char byte;
        write_all(fd, "hello", 5);
        read_exactly(fd, &byte, 1);
        _exit(byte);
    }
    int fd = OK(accept(listener, NULL, NULL)), one = 1, peer = -1;
    struct ucred who;
    socklen_t size = sizeof who;
    OK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size));
    CHECK_EQ(who.pid, pid);
    size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &peer, &size) == 0) {
        char path[64], text[1000] = {0};
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", peer);
        int info = OK(open(path, O_RDONLY));
        read_to_end(info, text, sizeof text - 1);
        const char *line = strstr(text, "Pid:");
        CHECK(line && atoi(line + 4) == pid);
        say("peer %d through descriptor %d", (int)pid, peer);
    } else {
        say("no SO_PEERPIDFD, errno %d", errno);
        CHECK_EQ(errno, ENOPROTOOPT);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_PASSPIDFD, &one, sizeof one) != 0)
        say("no SO_PASSPIDFD, errno %d", errno);
    char text[5], control[200];
    struct iovec v = {text, sizeof text};
    struct msghdr m = {NULL, 0, &v, 1, control, sizeof control, 0};
    CHECK_EQ(recvmsg(fd, &m, 0), 5);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        int got = -1;
        memcpy(&got, CMSG_DATA(c), sizeof got);
        say("control type %d, descriptor %d", c->cmsg_type, got);
        if (c->cmsg_type == SCM_PIDFD)
            CHECK(got >= 0 && fcntl(got, F_GETFD) >= 0);
    }
    write_all(fd, "\7", 1);
    if (peer >= 0) {
        struct pollfd p = {peer, POLLIN, 0};
        CHECK_EQ(poll(&p, 1, 10000), 1);
    }
    expect_exit(pid, 7);
    return 0;
}
