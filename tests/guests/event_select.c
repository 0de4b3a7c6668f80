/* select and pselect6: sets, time-outs, remaining time, interrupted waits. */
#include "guest.h"
#include <sys/select.h>

static volatile sig_atomic_t hits;
static void on_signal(int s) {
    (void)s;
    hits++;
}

int main(void) {
    int p[2], high;
    OK(pipe(p));
    high = OK(fcntl(p[0], F_DUPFD, 300));
    fd_set r, w, x;
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_ZERO(&x);
    FD_SET(p[0], &r);
    FD_SET(high, &r);
    FD_SET(p[1], &w);
    FD_SET(p[0], &x);
    struct timeval t = {1, 0};
    CHECK_EQ(select(high + 1, &r, &w, &x, &t), 1);
    CHECK(!FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w));
    say("remaining %ld.%06ld", (long)t.tv_sec, (long)t.tv_usec);
    write_all(p[1], "x", 1);
    FD_SET(p[0], &r);
    FD_SET(high, &r);
    CHECK_EQ(select(high + 1, &r, NULL, NULL, NULL), 2);
    CHECK(FD_ISSET(p[0], &r) && FD_ISSET(high, &r));
    char c;
    CHECK_EQ(read(high, &c, 1), 1);
    t.tv_sec = 0;
    t.tv_usec = 4000;
    CHECK_EQ(select(high + 1, &r, NULL, NULL, &t), 0);
    CHECK(!FD_ISSET(p[0], &r) && t.tv_usec == 0);
    FD_ZERO(&r);
    FD_SET(200, &r);
    FAILS(select(201, &r, NULL, NULL, &t), EBADF);

    signal(SIGUSR2, on_signal);
    sigset_t block, none;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR2);
    OK(sigprocmask(SIG_BLOCK, &block, NULL));
    OK(raise(SIGUSR2));
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    FAILS(pselect(high + 1, &r, NULL, NULL, NULL, &none), EINTR);
    CHECK_EQ(hits, 1);
    struct timespec n = {0, 1000000};
    CHECK_EQ(pselect(high + 1, &r, NULL, NULL, &n, &none), 0);
    struct timeval pause_for = {0, 2000};
    CHECK_EQ(syscall(SYS_select, 0, NULL, NULL, NULL, &pause_for), 0);
    return 0;
}
