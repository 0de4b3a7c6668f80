/* Pipes: order, end of file, broken pipe, nonblocking, packets, FIONREAD. */
#include "guest.h"
#include <sys/ioctl.h>

int main(void) {
    int p[2];
    OK(pipe(p));
    write_all(p[1], "abcdef", 6);
    int waiting = 0;
    OK(ioctl(p[0], FIONREAD, &waiting));
    CHECK_EQ(waiting, 6);
    char text[100];
    CHECK_EQ(read(p[0], text, 4), 4);
    CHECK_EQ(read(p[0], text, 100), 2);
    FAILS(read(p[1], text, 1), EBADF);
    OK(close(p[1]));
    CHECK_EQ(read(p[0], text, 1), 0);
    OK(close(p[0]));

    OK(pipe2(p, O_NONBLOCK | O_CLOEXEC));
    FAILS(read(p[0], text, 1), EAGAIN);
    static char block[4096];
    size_t total = 0;
    ssize_t n;
    while ((n = write(p[1], block, sizeof block)) > 0)
        total += (size_t)n;
    CHECK(errno == EAGAIN);
    say("a full pipe holds %zu", total);
    OK(close(p[0]));
    signal(SIGPIPE, SIG_IGN);
    FAILS(write(p[1], text, 1), EPIPE);

    OK(pipe2(p, O_DIRECT));
    write_all(p[1], "first", 5);
    write_all(p[1], "second!", 7);
    CHECK_EQ(read(p[0], text, 100), 5);
    CHECK_EQ(read(p[0], text, 3), 3);
    write_all(p[1], "third", 5);
    CHECK_EQ(read(p[0], text, 100), 5);
    CHECK(memcmp(text, "third", 5) == 0);
    say("pipe fds %d %d", p[0], p[1]);
    FAILS(pipe2(p, 0x7), EINVAL);
    int *volatile nowhere = (int *)8;
    FAILS(pipe(nowhere), EFAULT);
    return 0;
}
