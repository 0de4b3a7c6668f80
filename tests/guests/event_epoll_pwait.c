/* epoll_pwait and epoll_pwait2: time-outs, and a signal that only the wait lets in. */
#include "guest.h"
#include <sys/epoll.h>

static volatile sig_atomic_t hits;
static void on_signal(int s) {
    (void)s;
    hits++;
}

int main(void) {
    int ep = OK(epoll_create1(0));
    struct epoll_event got[2];
    signal(SIGUSR1, on_signal);
    sigset_t block, none;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    OK(sigprocmask(SIG_BLOCK, &block, NULL));
    OK(raise(SIGUSR1));
    CHECK_EQ(hits, 0);
    FAILS(epoll_pwait(ep, got, 2, 1000, &none), EINTR);
    CHECK_EQ(hits, 1);
    struct timespec t = {0, 3000000};
    uint64_t start = now_ns();
    int r = epoll_pwait2(ep, got, 2, &t, &block);
    uint64_t took = now_ns() - start;
    if (r == 0)
        CHECK(took >= 3000000);
    else
        CHECK(r == -1 && errno == ENOSYS);
    say("pwait2 %d after %lu ns", r, (unsigned long)took);
    CHECK_EQ(epoll_wait(ep, got, 2, 2), 0);

    pid_t pid = OK(fork());
    if (pid == 0) {
        sleep_ms(5);
        OK(kill(getppid(), SIGUSR1));
        _exit(0);
    }
    FAILS(epoll_pwait(ep, got, 2, -1, &none), EINTR);
    CHECK_EQ(hits, 2);
    expect_exit(pid, 0);
    return 0;
}
