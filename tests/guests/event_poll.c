/* poll and ppoll: readiness, hang-up, invalid descriptors, time-outs, signal masks. */
#include "guest.h"
#include <poll.h>

static volatile sig_atomic_t hits;
static void on_signal(int s) {
    (void)s;
    hits++;
}

int main(void) {
    int p[2], q[2];
    OK(pipe(p));
    OK(pipe(q));
    struct pollfd set[4] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}, {q[0], POLLIN, 0}, {-1, POLLIN, 0}};
    CHECK_EQ(poll(set, 4, 0), 1);
    CHECK(set[0].revents == 0 && set[1].revents == POLLOUT && set[3].revents == 0);
    write_all(q[1], "x", 1);
    CHECK_EQ(poll(set, 4, -1), 2);
    CHECK_EQ(set[2].revents, POLLIN);
    OK(close(q[1]));
    CHECK_EQ(poll(set, 4, -1), 2);
    CHECK(set[2].revents == (POLLIN | POLLHUP));
    set[3].fd = 77;
    CHECK_EQ(poll(set, 4, -1), 3);
    CHECK_EQ(set[3].revents, POLLNVAL);
    uint64_t start = now_ns();
    CHECK_EQ(poll(set, 1, 5), 0);
    uint64_t took = now_ns() - start;
    CHECK(took >= 5000000);
    say("timed out after %lu ns", (unsigned long)took);
    struct timespec t = {0, 2000000};
    CHECK_EQ(ppoll(set, 1, &t, NULL), 0);

    signal(SIGALRM, on_signal);
    sigset_t block, none;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGALRM);
    OK(sigprocmask(SIG_BLOCK, &block, NULL));
    OK(raise(SIGALRM));
    CHECK_EQ(hits, 0);
    FAILS(ppoll(set, 1, NULL, &none), EINTR);
    CHECK_EQ(hits, 1);
    /* The system call itself, unlike the library's, writes the remaining time back. */
    t.tv_sec = 1;
    t.tv_nsec = 0;
    CHECK_EQ(syscall(SYS_ppoll, &set[1], 1, &t, NULL, 8), 1);
    say("remaining %ld.%09ld", (long)t.tv_sec, t.tv_nsec);
    CHECK_EQ(poll(NULL, 0, 3), 0);
    return 0;
}
