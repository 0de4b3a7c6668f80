/* SA_RESTART against EINTR: read, wait4, accept, futex, nanosleep, epoll_wait, poll, flock, sendmsg. */
#include "net.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>

/* Shared with the child that sends the signals: two that come too fast would be one. */
static _Atomic int *hits;
static void on_signal(int s, siginfo_t *info, void *context) {
    (void)s, (void)info, (void)context;
    atomic_fetch_add(hits, 1);
}

static int p[2];
static pid_t poker;

/* A child that signals us twice, then makes whatever we wait for happen. */
static void poke(int then_write) {
    atomic_store(hits, 0);
    pid_t parent = getpid();
    poker = OK(fork());
    if (poker == 0) {
        for (int i = 0; i < 2; i++) {
            sleep_ms(4);
            kill(parent, SIGUSR1);
            while (atomic_load(hits) == i)
                sleep_ms(1);
        }
        sleep_ms(4);
        if (then_write)
            write_all(p[1], "x", 1);
        _exit(3);
    }
}

int main(void) {
    char c;
    int status;
    OK(pipe(p));
    hits = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    handle(SIGUSR1, on_signal, SA_RESTART);
    poke(1);
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_EQ(atomic_load(hits), 2);
    CHECK_EQ(waitpid(poker, &status, 0), poker);
    poke(0);
    CHECK_EQ(waitpid(poker, &status, 0), poker);
    CHECK_EQ(atomic_load(hits), 2);
    /* These are never restarted. */
    struct pollfd pf = {p[0], POLLIN, 0};
    poke(0);
    FAILS(poll(&pf, 1, -1), EINTR);
    expect_exit(poker, 3);
    int ep = OK(epoll_create1(0));
    struct epoll_event e;
    poke(0);
    FAILS(epoll_wait(ep, &e, 1, -1), EINTR);
    expect_exit(poker, 3);
    poke(0);
    struct timespec t = {10, 0}, rest;
    FAILS(nanosleep(&t, &rest), EINTR);
    CHECK(rest.tv_sec == 9);
    expect_exit(poker, 3);
    poke(0);
    FAILS(pause(), EINTR);
    expect_exit(poker, 3);

    handle(SIGUSR1, on_signal, 0);
    poke(0);
    FAILS(read(p[0], &c, 1), EINTR);
    expect_exit(poker, 3);
    poke(0);
    FAILS(waitpid(poker, &status, 0), EINTR);
    expect_exit(poker, 3);
    uint16_t port;
    int server = listening(&port);
    poke(0);
    FAILS(accept(server, NULL, NULL), EINTR);
    expect_exit(poker, 3);
    int word = 0;
    poke(0);
    FAILS(syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0), EINTR);
    expect_exit(poker, 3);
    int pair[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    poke(0);
    FAILS(recv(pair[0], &c, 1, 0), EINTR);
    expect_exit(poker, 3);
    int a = OK(open("lock", O_RDWR | O_CREAT, 0600)), b = OK(open("lock", O_RDWR));
    OK(flock(a, LOCK_EX));
    poke(0);
    FAILS(flock(b, LOCK_EX), EINTR);
    expect_exit(poker, 3);
    say("interrupted where it should be, last poker %d", (int)poker);
    return 0;
}
