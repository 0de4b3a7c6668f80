/* SCM_RIGHTS passes a file, a pipe and a socket to another process, which uses them. */
#include "net.h"

static void send_fds(int via, const int *fds, size_t count) {
    char control[CMSG_SPACE(sizeof(int) * 4)] = {0};
    struct iovec v = {(void *)"fds", 3};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control};
    m.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
    CHECK_EQ(sendmsg(via, &m, 0), 3);
}

static void receive_fds(int via, int *fds, size_t count) {
    char control[CMSG_SPACE(sizeof(int) * 4)], data[8];
    struct iovec v = {data, sizeof data};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK_EQ(recvmsg(via, &m, MSG_CMSG_CLOEXEC), 3);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    CHECK(c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int) * count));
    memcpy(fds, CMSG_DATA(c), sizeof(int) * count);
    CHECK_EQ(m.msg_flags & MSG_CTRUNC, 0);
}

int main(void) {
    int pair[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(close(pair[0]));
        int got[3];
        receive_fds(pair[1], got, 3);
        say("child got %d %d %d", got[0], got[1], got[2]);
        CHECK_EQ(fcntl(got[0], F_GETFD), FD_CLOEXEC);
        char text[20];
        CHECK_EQ(read(got[0], text, sizeof text), 7);
        CHECK(memcmp(text, "in file", 7) == 0);
        write_all(got[1], "into the pipe", 13);
        write_all(got[2], "over the socket", 15);
        OK(close(got[1]));
        _exit(0);
    }
    OK(close(pair[1]));
    int file = OK(open("f", O_RDWR | O_CREAT, 0600)), p[2], s[2];
    write_all(file, "in file", 7);
    OK(lseek(file, 0, SEEK_SET));
    OK(pipe(p));
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    int fds[3] = {file, p[1], s[1]};
    send_fds(pair[0], fds, 3);
    OK(close(p[1]));
    OK(close(s[1]));
    char text[50];
    CHECK_EQ(read_to_end(p[0], text, sizeof text), 13);
    CHECK_EQ(read_to_end(s[0], text, sizeof text), 15);
    expect_exit(pid, 0);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 7);

    /* A descriptor in flight that nobody receives is closed with the socket. */
    OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    OK(pipe(p));
    send_fds(pair[0], &p[1], 1);
    OK(close(p[1]));
    OK(fcntl(p[0], F_SETFL, O_NONBLOCK));
    FAILS(read(p[0], text, 1), EAGAIN);
    OK(close(pair[0]));
    OK(close(pair[1]));
    CHECK_EQ(read(p[0], text, 1), 0);
    return 0;
}
