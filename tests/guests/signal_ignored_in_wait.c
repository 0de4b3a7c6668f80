/* Signals that nobody takes notice of, in the middle of waits that a signal ends with EINTR: the kernel drops
 * such signals where they are sent, and the waits last as long as they were to. One with a handler ends
 * them. */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/socket.h>

enum { MS = 120, LONG_MS = 20000, SIGNALS = 3, KINDS = 7 };

static int result_of(long result) {
    return result < 0 ? errno : (int)result;
}

static int wait_in(int kind, int ms, int semaphores, const int *pair) {
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    const struct timeval patience = {ms / 1000, ms % 1000 * 1000};
    struct epoll_event event;
    sigset_t set;
    char byte;
    sigemptyset(&set);
    switch (kind) {
    case 0:
        return result_of(epoll_wait(OK(epoll_create1(0)), &event, 1, ms));
    case 1:
        return result_of(epoll_pwait(OK(epoll_create1(0)), &event, 1, ms, &set));
    case 2:
        return result_of(syscall(SYS_epoll_pwait2, OK(epoll_create1(0)), &event, 1, &time, NULL, 0));
    case 3:
        sigaddset(&set, SIGRTMIN);
        return result_of(sigtimedwait(&set, NULL, &time));
    case 4:
        return result_of(semtimedop(semaphores, &(struct sembuf){0, -1, 0}, 1, &time));
    case 5:
        OK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
        return result_of(recv(pair[0], &byte, 1, 0));
    default:
        return result_of(poll(NULL, 0, ms));
    }
}

/* One is sent while the others may still wait for delivery; on request, not before the parent waits. */
static pid_t sender(const int *signals, int asleep) {
    pid_t parent = getpid(), pid = OK(fork());
    if (pid != 0)
        return pid;
    if (asleep)
        until_asleep(parent);
    for (int i = 0; i < SIGNALS; i++) {
        sleep_ms(MS / (SIGNALS + 1));
        OK(kill(parent, signals[i]));
    }
    _exit(0);
}

static void nothing(int signal) {
    (void)signal;
}

static void *thread(void *argument) {
    (void)argument;
    struct epoll_event event;
    CHECK_EQ(epoll_wait(OK(epoll_create1(0)), &event, 1, 2 * MS), 0);
    return NULL;
}

int main(void) {
    static const int expected[KINDS] = {0, 0, 0, EAGAIN, EAGAIN, EAGAIN, 0};
    static const int unnoticed[SIGNALS] = {SIGUSR2, SIGWINCH, SIGURG};
    static const int noticed[SIGNALS] = {SIGUSR2, SIGUSR1, SIGURG};
    int pair[2], semaphores = OK(semget(IPC_PRIVATE, 1, IPC_CREAT | 0600));
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    signal(SIGUSR2, SIG_IGN);
    OK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = nothing}, NULL));
    for (int kind = 0; kind < KINDS; kind++) {
        pid_t pid = sender(unnoticed, 0);
        uint64_t start = now_ns();
        CHECK_EQ(wait_in(kind, MS, semaphores, pair), expected[kind]);
        uint64_t took = now_ns() - start;
        CHECK(took >= MS * 1000000ull - 2000000);
        /* The end of a child is such a signal, too. */
        pid_t brief = OK(fork());
        if (brief == 0)
            _exit(0);
        CHECK_EQ(wait_in(kind, MS, semaphores, pair), expected[kind]);
        expect_exit(brief, 0);
        expect_exit(pid, 0);
        pid = sender(noticed, 1);
        CHECK_EQ(wait_in(kind, LONG_MS, semaphores, pair), EINTR);
        expect_exit(pid, 0);
        say("kind %d: first %lu us", kind, (unsigned long)(took / 1000));
    }
    /* A thread is found for them that does wait, where the first one computes or stands still. */
    pthread_t waiting;
    ZERO(pthread_create(&waiting, NULL, thread, NULL));
    pid_t pid = sender(unnoticed, 0);
    for (uint64_t end = now_ns() + MS * 1000000ull; now_ns() < end;)
        sched_yield();
    ZERO(pthread_join(waiting, NULL));
    expect_exit(pid, 0);
    OK(semctl(semaphores, 0, IPC_RMID));
    return 0;
}
