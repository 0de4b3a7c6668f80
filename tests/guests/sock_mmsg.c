/* sendmmsg and recvmmsg, with time-out and partial results. */
#include "net.h"

int main(void) {
    uint16_t pa, pb;
    int a = bound(SOCK_DGRAM, &pa), b = bound(SOCK_DGRAM, &pb);
    struct sockaddr_in to = loopback(pb), from[6];
    char out[5][16], in[6][16];
    struct iovec ov[5], iv[6];
    struct mmsghdr om[5], im[6];
    memset(om, 0, sizeof om);
    memset(im, 0, sizeof im);
    for (int i = 0; i < 5; i++) {
        int n = snprintf(out[i], sizeof out[i], "message %*d", i, i);
        ov[i] = (struct iovec){out[i], (size_t)n};
        om[i].msg_hdr = (struct msghdr){.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &ov[i], .msg_iovlen = 1};
    }
    for (int i = 0; i < 6; i++) {
        iv[i] = (struct iovec){in[i], sizeof in[i]};
        im[i].msg_hdr = (struct msghdr){
            .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &iv[i], .msg_iovlen = 1};
    }
    CHECK_EQ(sendmmsg(a, om, 5, 0), 5);
    CHECK_EQ(om[3].msg_len, ov[3].iov_len);
    CHECK_EQ(recvmmsg(b, im, 3, 0, NULL), 3);
    struct timespec t = {0, 5000000};
    int n = OK(recvmmsg(b, im + 3, 3, MSG_WAITFORONE, &t));
    CHECK_EQ(n, 2);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(im[i].msg_len, ov[i].iov_len);
        CHECK(memcmp(in[i], out[i], im[i].msg_len) == 0);
        CHECK_EQ(ntohs(from[i].sin_port), pa);
    }
    FAILS(recvmmsg(b, im, 1, MSG_DONTWAIT, NULL), EAGAIN);
    say("remaining %ld.%09ld, ports %u %u", (long)t.tv_sec, t.tv_nsec, pa, pb);
    return 0;
}
