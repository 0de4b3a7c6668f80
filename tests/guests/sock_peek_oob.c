/* MSG_PEEK, MSG_WAITALL, MSG_TRUNC on streams, urgent data, scattered receives. */
#include "net.h"
#include <sys/ioctl.h>

static volatile sig_atomic_t urgent;
static void on_urgent(int s) {
    (void)s;
    urgent++;
}

int main(void) {
    int e[2];
    tcp_pair(e);
    write_all(e[0], "0123456789", 10);
    char text[32], more[32];
    CHECK_EQ(recv(e[1], text, 4, MSG_PEEK), 4);
    CHECK(memcmp(text, "0123", 4) == 0);
    CHECK_EQ(recv(e[1], text, 10, MSG_WAITALL | MSG_PEEK), 10);
    CHECK_EQ(recv(e[1], NULL, 3, MSG_TRUNC), 3);
    struct iovec v[2] = {{text, 2}, {more, sizeof more}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    CHECK_EQ(recvmsg(e[1], &m, 0), 7);
    CHECK(memcmp(text, "34", 2) == 0 && memcmp(more, "56789", 5) == 0);
    int waiting;
    OK(ioctl(e[1], FIONREAD, &waiting));
    CHECK_EQ(waiting, 0);

    signal(SIGURG, on_urgent);
    OK(fcntl(e[1], F_SETOWN, getpid()));
    CHECK_EQ(send(e[0], "ab!", 3, MSG_OOB), 3);
    while (!urgent)
        sleep_ms(1);
    char c;
    CHECK_EQ(recv(e[1], &c, 1, MSG_OOB), 1);
    CHECK(c == '!');
    CHECK_EQ(recv(e[1], text, sizeof text, 0), 2);
    int mark = 0;
    OK(ioctl(e[1], SIOCATMARK, &mark));
    FAILS(recv(e[1], &c, 1, MSG_OOB), EINVAL);
    say("urgent signals %d, at mark %d", (int)urgent, mark);
    return 0;
}
