/* Socket pairs of all kinds, and connections by path: what lies in them, its boundaries, the
 * descriptors in it, and ends that are closed. */
#include "../guests/guest.h"
#include <sys/socket.h>
#include <sys/un.h>

static void send_descriptor(int to, int fd) {
    char room[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {"d", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    CHECK_EQ(sendmsg(to, &message, 0), 1);
}

static int receive_descriptor(int from) {
    char room[CMSG_SPACE(sizeof(int))], byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    CHECK_EQ(recvmsg(from, &message, MSG_CMSG_CLOEXEC), 1);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    CHECK(head != NULL && head->cmsg_type == SCM_RIGHTS);
    int fd;
    memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

static void kinds(void) {
    const int all[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    int ends[3][2];
    for (int i = 0; i < 3; i++) {
        OK(socketpair(AF_UNIX, all[i], 0, ends[i]));
        OK(send(ends[i][0], "first", 5, 0));
        OK(send(ends[i][0], "second!", 7, 0));
        OK(write(ends[i][1], "back", 4));
    }
    usleep(2000);
    for (int i = 0; i < 3; i++) {
        char bytes[64];
        int stream = all[i] == SOCK_STREAM;
        CHECK_EQ(recv(ends[i][1], bytes, sizeof bytes, MSG_PEEK), stream ? 12 : 5);
        CHECK_EQ(recv(ends[i][1], bytes, 3, 0), 3);
        CHECK_EQ(recv(ends[i][1], bytes, sizeof bytes, 0), stream ? 9 : 7);
        OK(close(ends[i][1]));
        if (all[i] != SOCK_DGRAM) {
            CHECK_EQ(read(ends[i][0], bytes, sizeof bytes), 4);
            errno = 0;
            CHECK(read(ends[i][0], bytes, sizeof bytes) == 0 || errno == ECONNRESET);
        }
        say("kind %d", i);
    }
}

static void descriptors(void) {
    int ends[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    pid_t child = OK(fork());
    if (child == 0) {
        int file = OK(open("sent", O_CREAT | O_WRONLY | O_APPEND, 0644));
        OK(write(file, "child\n", 6));
        send_descriptor(ends[1], file);
        _exit(0);
    }
    expect_exit(child, 0);
    int file = receive_descriptor(ends[0]);
    OK(write(file, "parent\n", 7));
    say("descriptor");
}

static void by_path(void) {
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "listens"};
    int listener = OK(socket(AF_UNIX, SOCK_STREAM, 0));
    OK(bind(listener, (void *)&name, sizeof name));
    OK(listen(listener, 4));
    pid_t child = OK(fork());
    if (child == 0) {
        int client = OK(socket(AF_UNIX, SOCK_STREAM, 0));
        OK(connect(client, (void *)&name, sizeof name));
        OK(write(client, "before it is accepted", 21));
        char bytes[64];
        CHECK_EQ(read(client, bytes, sizeof bytes), 6);
        OK(write(client, "after", 5));
        _exit(0);
    }
    usleep(3000);
    int accepted = OK(accept(listener, NULL, NULL));
    char bytes[64];
    CHECK_EQ(read(accepted, bytes, 6), 6);
    OK(write(accepted, "answer", 6));
    expect_exit(child, 0);
    size_t length = 0;
    for (ssize_t n; (n = OK(read(accepted, bytes + length, 3))) > 0;)
        length += (size_t)n;
    CHECK_EQ(length, 20);
    CHECK(memcmp(bytes, " it is acceptedafter", 20) == 0);
    OK(unlink("listens"));
    say("path");
}

int main(void) {
    kinds();
    descriptors();
    by_path();
    return 0;
}
