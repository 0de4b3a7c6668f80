/* Waits that the agent may do by itself, because nobody else wants the CPU: on sockets and for events, ended by what
 * they wait for, by their time, by signals with and without a handler, with and without SA_RESTART, by a stop of
 * the process, by another thread that wants the CPU, and by death. */
#include "guest.h"
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { ROUNDS = 40 };

static int pair[2], poller;
/* Shared with the child that sends the signal. */
static _Atomic int *handled;

static void handler(int signal) {
    (void)signal;
    atomic_fetch_add(handled, 1);
}

static void install(int signal, int flags) {
    OK(sigaction(signal, &(struct sigaction){.sa_handler = handler, .sa_flags = flags}, NULL));
}

/* So that the sites are met often enough. */
static void warm_up(void) {
    struct epoll_event event;
    char byte;
    for (int i = 0; i < ROUNDS; i++) {
        write_all(pair[1], "w", 1);
        CHECK_EQ(epoll_wait(poller, &event, 1, 1000), 1);
        CHECK_EQ(recv(pair[0], &byte, 1, 0), 1);
    }
}

/* Echoes, so that both wait in turn; or everything comes late. */
static void echo(int late) {
    struct epoll_event event;
    char byte = 0;
    pid_t pid = OK(fork());
    if (pid == 0) {
        for (int i = 0; i < ROUNDS; i++) {
            CHECK_EQ(recv(pair[1], &byte, 1, 0), 1);
            if (late && i % 8 == 0)
                sleep_ms(30);
            CHECK_EQ(send(pair[1], &byte, 1, 0), 1);
        }
        _exit(0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        char sent = (char)i;
        CHECK_EQ(send(pair[0], &sent, 1, 0), 1);
        if (i % 2)
            CHECK_EQ(epoll_wait(poller, &event, 1, i % 3 ? -1 : 20000), 1);
        CHECK_EQ(recv(pair[0], &byte, 1, 0), 1);
        CHECK_EQ(byte, sent);
    }
    expect_exit(pid, 0);
}

static void times(void) {
    struct epoll_event event;
    for (int ms = 1; ms < 100; ms = ms * 2 + 1) {
        uint64_t before = now_ns();
        CHECK_EQ(epoll_wait(poller, &event, 1, ms), 0);
        uint64_t took = (now_ns() - before) / 1000000;
        CHECK(took + 1 >= (uint64_t)ms);
    }
}

/* A signal in the middle of the wait, and what is waited for once a handler has seen it, or much later. */
static pid_t disturb(int signal, int ms) {
    atomic_store(handled, 0);
    pid_t parent = getpid(), pid = OK(fork());
    if (pid == 0) {
        until_asleep(parent);
        sleep_ms(ms);
        OK(kill(parent, signal));
        if (signal == SIGWINCH)
            sleep_ms(60);
        else
            while (atomic_load(handled) == 0)
                sleep_ms(1);
        write_all(pair[1], "d", 1);
        _exit(0);
    }
    return pid;
}

static void signals(int ms) {
    struct epoll_event event;
    char byte;
    for (int restarts = 0; restarts < 2; restarts++) {
        install(SIGUSR1, restarts ? SA_RESTART : 0);
        for (int events = 0; events < 2; events++) {
            pid_t pid = disturb(SIGUSR1, ms);
            int result = events ? epoll_wait(poller, &event, 1, 20000) : (int)recv(pair[0], &byte, 1, 0);
            if (events || !restarts)
                CHECK(result == -1 && errno == EINTR);
            else
                CHECK_EQ(result, 1);
            CHECK_EQ(atomic_load(handled), 1);
            if (events || !restarts)
                CHECK_EQ(recv(pair[0], &byte, 1, 0), 1);
            expect_exit(pid, 0);
        }
    }
    /* Nobody takes notice of these. */
    for (int events = 0; events < 2; events++) {
        pid_t pid = disturb(SIGWINCH, ms);
        CHECK_EQ(events ? epoll_wait(poller, &event, 1, 20000) : (int)recv(pair[0], &byte, 1, 0), 1);
        if (events)
            CHECK_EQ(recv(pair[0], &byte, 1, 0), 1);
        expect_exit(pid, 0);
    }
    /* A time-out of its own. Again and again: the first one may come before the wait. */
    atomic_store(handled, 0);
    install(SIGALRM, 0);
    struct itimerval often = {{0, 20000}, {0, (ms + 1) * 1000}}, never = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &often, NULL));
    FAILS(recv(pair[0], &byte, 1, 0), EINTR);
    OK(setitimer(ITIMER_REAL, &never, NULL));
    CHECK(atomic_load(handled) >= 1);
}

static void stops(void) {
    struct epoll_event event;
    int report[2];
    OK(pipe(report));
    for (int events = 0; events < 2; events++) {
        pid_t pid = OK(fork());
        if (pid == 0) {
            char byte;
            write_all(report[1], "r", 1);
            int result = events ? epoll_wait(poller, &event, 1, 20000) : (int)recv(pair[0], &byte, 1, 0);
            /* The kernel ends an epoll_wait that was stopped. */
            if (events && result == -1 && errno == EINTR)
                result = 1;
            CHECK_EQ(result, 1);
            if (events)
                CHECK_EQ(recv(pair[0], &byte, 1, 0), 1);
            _exit(0);
        }
        char byte;
        int status;
        read_exactly(report[0], &byte, 1);
        for (int i = 0; i < 3; i++) {
            sleep_ms(5);
            OK(kill(pid, SIGSTOP));
            CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
            CHECK(WIFSTOPPED(status));
            OK(kill(pid, SIGCONT));
            CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
        }
        write_all(pair[1], "s", 1);
        expect_exit(pid, 0);
    }
}

static void *other(void *argument) {
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        sleep_ms(3);
        if (i % 4 == 0)
            write_all(pair[1], "t", 1);
    }
    return NULL;
}

static void threads(void) {
    pthread_t thread;
    char byte;
    ZERO(pthread_create(&thread, NULL, other, NULL));
    for (int i = 0; i < ROUNDS / 4; i++)
        CHECK_EQ(recv(pair[0], &byte, 1, 0), 1);
    ZERO(pthread_join(thread, NULL));
}

static void deaths(void) {
    for (int events = 0; events < 2; events++) {
        pid_t pid = OK(fork());
        if (pid == 0) {
            struct epoll_event event;
            char byte;
            say("waits until it is killed");
            (void)(events ? epoll_wait(poller, &event, 1, -1) : (int)recv(pair[0], &byte, 1, 0));
            _exit(1);
        }
        sleep_ms(10);
        OK(kill(pid, SIGKILL));
        int status;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
}

int main(void) {
    handled = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    poller = OK(epoll_create1(0));
    OK(epoll_ctl(poller, EPOLL_CTL_ADD, pair[0], &(struct epoll_event){.events = EPOLLIN}));
    warm_up();
    echo(0);
    echo(1);
    times();
    signals(4);
    signals(45);
    stops();
    threads();
    deaths();
    warm_up();
    say("all waits ended");
    return 0;
}
