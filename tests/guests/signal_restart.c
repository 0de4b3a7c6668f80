/* SA_RESTART against EINTR: read, wait4, accept, futex, nanosleep, epoll_wait, poll, flock, sendmsg. */
#include "net.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>

/* Shared with the child that sends the signals: two that come too fast would be one. */
static _Atomic int *hits, *over;
static void on_signal(int s, siginfo_t *info, void *context) {
    (void)s, (void)info, (void)context;
    atomic_fetch_add(hits, 1);
}

static int p[2];
static pid_t poker;

enum { TWICE, TWICE_AND_WRITE, UNTIL_OVER };

/* A child that signals us twice, then makes whatever we wait for happen; or until a signal has ended what we wait in: the
 * first ones may come before that. */
static void poke(int how) {
    atomic_store(hits, 0);
    atomic_store(over, 0);
    pid_t parent = getpid();
    poker = OK(fork());
    if (poker == 0) {
        for (int i = 0; how == UNTIL_OVER ? !atomic_load(over) : i < 2; i++) {
            sleep_ms(4);
            kill(parent, SIGUSR1);
            while (atomic_load(hits) == i)
                sleep_ms(1);
        }
        sleep_ms(4);
        if (how == TWICE_AND_WRITE)
            write_all(p[1], "x", 1);
        _exit(3);
    }
}

static void expect_end(void) {
    atomic_store(over, 1);
    expect_exit(poker, 3);
}

int main(void) {
    char c;
    int status;
    OK(pipe(p));
    hits = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    over = hits + 1;
    handle(SIGUSR1, on_signal, SA_RESTART);
    poke(TWICE_AND_WRITE);
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_EQ(atomic_load(hits), 2);
    CHECK_EQ(waitpid(poker, &status, 0), poker);
    poke(TWICE);
    CHECK_EQ(waitpid(poker, &status, 0), poker);
    CHECK_EQ(atomic_load(hits), 2);
    /* These are never restarted. */
    struct pollfd pf = {p[0], POLLIN, 0};
    poke(UNTIL_OVER);
    FAILS(poll(&pf, 1, -1), EINTR);
    expect_end();
    int ep = OK(epoll_create1(0));
    struct epoll_event e;
    poke(UNTIL_OVER);
    FAILS(epoll_wait(ep, &e, 1, -1), EINTR);
    expect_end();
    poke(UNTIL_OVER);
    struct timespec t = {10, 0}, rest;
    FAILS(nanosleep(&t, &rest), EINTR);
    CHECK(rest.tv_sec < 10 && rest.tv_nsec > 0);
    expect_end();
    poke(UNTIL_OVER);
    FAILS(pause(), EINTR);
    expect_end();

    handle(SIGUSR1, on_signal, 0);
    poke(UNTIL_OVER);
    FAILS(read(p[0], &c, 1), EINTR);
    expect_end();
    poke(UNTIL_OVER);
    FAILS(waitpid(poker, &status, 0), EINTR);
    expect_end();
    uint16_t port;
    int server = listening(&port);
    poke(UNTIL_OVER);
    FAILS(accept(server, NULL, NULL), EINTR);
    expect_end();
    int word = 0;
    poke(UNTIL_OVER);
    FAILS(syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0), EINTR);
    expect_end();
    int pair[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    poke(UNTIL_OVER);
    FAILS(recv(pair[0], &c, 1, 0), EINTR);
    expect_end();
    int a = OK(open("lock", O_RDWR | O_CREAT, 0600)), b = OK(open("lock", O_RDWR));
    OK(flock(a, LOCK_EX));
    poke(UNTIL_OVER);
    FAILS(flock(b, LOCK_EX), EINTR);
    expect_end();
    say("interrupted where it should be, last poker %d", (int)poker);
    return 0;
}
