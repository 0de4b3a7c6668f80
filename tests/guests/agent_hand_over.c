/* Threads and processes that wait for each other's messages and hand them on, so that the CPU goes from one that waits
 * to one that does not, over and over: in rings of several, with some that compute for long, signals by timers, and
 * memory that they all see, in which the order of what they do is kept. */
#include "guest.h"
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { PROCESSES = 4, THREADS = 3, MEMBERS = PROCESSES * THREADS, TOKENS = 3, HOPS = 700, LOG = TOKENS * HOPS };

struct message {
    uint32_t token, left;
};

static struct shared {
    _Atomic unsigned count, finished;
    unsigned char log[LOG + 1];
    /* Nobody but the member itself writes its own. */
    uint64_t sums[MEMBERS];
    uint32_t hops[MEMBERS];
} *shared;

static int pairs[MEMBERS][2];
static _Atomic int alarms;

static void on_alarm(int number) {
    (void)number;
    atomic_fetch_add(&alarms, 1);
}

static void send_to(int member, struct message message) {
    ssize_t sent;
    do
        sent = send(pairs[member][1], &message, sizeof message, 0);
    while (sent < 0 && errno == EINTR);
    CHECK_EQ(sent, sizeof message);
}

static void burn(uint64_t *sum) {
    for (int i = 0; i < 3000000; i++)
        *sum = (*sum ^ (uint64_t)i) * 0x100000001b3ull;
}

static void *member(void *argument) {
    int self = (int)(long)argument, poller = OK(epoll_create1(0));
    struct message message;
    uint64_t sum = 0;
    OK(epoll_ctl(poller, EPOLL_CTL_ADD, pairs[self][0], &(struct epoll_event){.events = EPOLLIN}));
    for (;;) {
        struct epoll_event event;
        if (self % 3 != 2) {
            int found = epoll_wait(poller, &event, 1, self % 3 ? 60000 : -1);
            if (found < 0 && errno == EINTR)
                continue;
            CHECK_EQ(found, 1);
        }
        ssize_t got = recv(pairs[self][0], &message, sizeof message, 0);
        if (got < 0 && errno == EINTR)
            continue;
        CHECK_EQ(got, sizeof message);
        if (message.token == TOKENS)
            break;
        shared->log[atomic_fetch_add(&shared->count, 1)] = (unsigned char)self;
        shared->hops[self]++;
        sum = (sum ^ message.left) * 0x100000001b3ull + now_ns() % 7;
        if (message.left % 229 == 0)
            burn(&sum);
        if (--message.left > 0) {
            send_to((self + 1 + (int)message.token) % MEMBERS, message);
        } else if (atomic_fetch_add(&shared->finished, 1) == TOKENS - 1) {
            for (int i = 0; i < MEMBERS; i++)
                send_to(i, (struct message){TOKENS, 0});
        }
    }
    OK(close(poller));
    shared->sums[self] = sum;
    return NULL;
}

static void process(int number) {
    pthread_t threads[THREADS];
    struct itimerval often = {{0, 3000}, {0, 3000}}, never = {{0, 0}, {0, 0}};
    OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
    OK(sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm, .sa_flags = number % 2 ? SA_RESTART : 0}, NULL));
    if (number != 0)
        OK(setitimer(ITIMER_REAL, &often, NULL));
    for (int i = 1; i < THREADS; i++)
        ZERO(pthread_create(&threads[i], NULL, member, (void *)(long)(number * THREADS + i)));
    member((void *)(long)(number * THREADS));
    for (int i = 1; i < THREADS; i++)
        ZERO(pthread_join(threads[i], NULL));
    OK(setitimer(ITIMER_REAL, &never, NULL));
    _exit(0);
}

int main(void) {
    pid_t pids[PROCESSES];
    shared = OK(mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < MEMBERS; i++)
        OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pairs[i]));
    /* So that what they have of the parent is warm already. */
    for (int i = 0; i < 40; i++) {
        struct message message = {0, 0};
        send_to(0, message);
        CHECK_EQ(recv(pairs[0][0], &message, sizeof message, 0), sizeof message);
    }
    for (int i = 0; i < PROCESSES; i++)
        if ((pids[i] = OK(fork())) == 0)
            process(i);
    for (uint32_t i = 0; i < TOKENS; i++)
        send_to((int)i * 4, (struct message){i, HOPS});
    for (int i = 0; i < PROCESSES; i++)
        expect_exit(pids[i], 0);
    CHECK_EQ(shared->count, LOG);
    uint32_t hops = 0;
    for (int i = 0; i < MEMBERS; i++)
        hops += shared->hops[i];
    CHECK_EQ(hops, LOG);
    say("order %016llx", (unsigned long long)hash(shared->log, LOG));
    say("sums %016llx", (unsigned long long)hash(shared->sums, sizeof shared->sums));
    return 0;
}
