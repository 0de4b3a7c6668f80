/* Waits that exchange the signal mask: a signal between test and wait is not lost, and the old mask is back after. */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static volatile int handled, masked;
static void on_signal(int number) {
    handled = number;
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    masked = sigismember(&now, SIGUSR1) * 2 + sigismember(&now, SIGUSR2);
}

static int e;
static int wait_in(int kind, const sigset_t *mask) {
    struct timespec t = {20, 0};
    switch (kind) {
    case 0:
        return ppoll(NULL, 0, &t, mask);
    case 1:
        return pselect(0, NULL, NULL, NULL, &t, mask);
    case 2:
        return epoll_pwait(e, &(struct epoll_event){0}, 1, 20000, mask);
    default:
        return sigsuspend(mask);
    }
}

int main(void) {
    e = OK(epoll_create1(0));
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&a.sa_mask);
    OK(sigaction(SIGUSR1, &a, NULL));
    OK(sigaction(SIGUSR2, &a, NULL));
    sigset_t both, none, now;
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGUSR2);
    sigemptyset(&none);
    OK(sigprocmask(SIG_BLOCK, &both, NULL));
    for (int kind = 0; kind < 4; kind++) {
        /* Pending before the wait: it ends at once. */
        handled = 0;
        OK(raise(SIGUSR1));
        CHECK_EQ(handled, 0);
        FAILS(wait_in(kind, &none), EINTR);
        CHECK_EQ(handled, SIGUSR1);
        CHECK_EQ(masked, 2);
        OK(sigprocmask(SIG_BLOCK, NULL, &now));
        CHECK(sigismember(&now, SIGUSR1) && sigismember(&now, SIGUSR2));
        /* From another process, in the middle of it; the other signal stays blocked. */
        sigset_t only;
        sigemptyset(&only);
        sigaddset(&only, SIGUSR2);
        handled = 0;
        pid_t pid = OK(fork());
        if (pid == 0) {
            OK(kill(getppid(), SIGUSR2));
            sleep_ms(2);
            OK(kill(getppid(), SIGUSR1));
            _exit(0);
        }
        FAILS(wait_in(kind, &only), EINTR);
        CHECK_EQ(handled, SIGUSR1);
        CHECK_EQ(masked, 3);
        expect_exit(pid, 0);
        sigset_t pending;
        OK(sigpending(&pending));
        CHECK(sigismember(&pending, SIGUSR2));
        FAILS(wait_in(kind, &none), EINTR);
        CHECK_EQ(handled, SIGUSR2);
        say("kind %d, child %d", kind, (int)pid);
    }
    return 0;
}
