/* Several messages with one call, between sockets of the application, some left inside for long. */
#include "../guests/guest.h"
#include <sys/socket.h>

enum { COUNT = 4 };

static void run(int kind, int sent, int received) {
    char text[COUNT][32], room[COUNT][32];
    struct iovec from[COUNT], to[COUNT];
    struct mmsghdr out[COUNT], in[COUNT];
    memset(out, 0, sizeof out);
    memset(in, 0, sizeof in);
    for (int i = 0; i < COUNT; i++) {
        snprintf(text[i], sizeof text[i], "message %d of kind %d", i, kind);
        from[i] = (struct iovec){text[i], strlen(text[i])};
        to[i] = (struct iovec){room[i], 20};
        out[i].msg_hdr = (struct msghdr){.msg_iov = &from[i], .msg_iovlen = 1};
        in[i].msg_hdr = (struct msghdr){.msg_iov = &to[i], .msg_iovlen = 1};
    }
    CHECK_EQ(sendmmsg(sent, out, COUNT, 0), COUNT);
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(out[i].msg_len, 19);
    say("sent %d", kind);
    CHECK_EQ(recvmmsg(received, in, 2, 0, NULL), 2);
    usleep(1000);
    char rest[200];
    int stream = kind == SOCK_STREAM;
    CHECK_EQ(in[0].msg_len, stream ? 20 : 19);
    CHECK(memcmp(room[0], text[0], 19) == 0);
    if (stream) {
        CHECK_EQ(in[1].msg_len, 20);
        CHECK_EQ(recv(received, rest, sizeof rest, 0), 36);
        CHECK(memcmp(rest + 17, text[3], 19) == 0);
    } else {
        CHECK_EQ(recvmmsg(received, in, COUNT, MSG_WAITFORONE, NULL), 2);
        CHECK(memcmp(room[1], text[3], 19) == 0);
    }
    FAILS(recv(received, rest, sizeof rest, MSG_DONTWAIT), EAGAIN);
    say("received %d", kind);
}

int main(void) {
    const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 3; i++) {
        int ends[2];
        OK(socketpair(AF_UNIX, kinds[i], 0, ends));
        run(kinds[i], ends[0], ends[1]);
    }
    return 0;
}
