/*
 * Connections of its own in every state, over a takeover.
 *
 *   states PORT PEER OPEN-PORT CLOSED-PORT SILENT
 *
 * PEER listens at OPEN-PORT and not at CLOSED-PORT; SILENT is an address that nobody has before the
 * takeover and the peer has after it. Whoever drives it connects to PORT and is told "ready" once
 * all states are there; "sync" is answered "synced", and after "go" everything is looked at.
 */
#include "../../guests/guest.h"
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { BULK = 200000, PATIENCE_MS = 60000 };

static struct sockaddr_in open_at, closed_at, silent_at;
static char bulk[BULK];
/* Two threads look at what they get. */
static _Thread_local char found[BULK];

static struct sockaddr_in address(const char *ip, int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    CHECK_EQ(inet_pton(AF_INET, ip, &at.sin_addr), 1);
    return at;
}

static int dial(const struct sockaddr_in *to, int flags) {
    int fd = OK(socket(AF_INET, SOCK_STREAM | flags, 0));
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) != 0)
        CHECK(errno == EINPROGRESS && flags == SOCK_NONBLOCK);
    return fd;
}

static void put(int fd, const char *bytes, size_t length) {
    CHECK_EQ(OK(send(fd, bytes, length, MSG_NOSIGNAL)), (long long)length);
}

/* Exactly these, and if `last` nothing more. */
static void expect(int fd, const char *bytes, size_t length, int last) {
    OK(fcntl(fd, F_SETFL, 0));
    for (size_t have = 0; have < length;) {
        ssize_t n = OK(read(fd, found + have, length - have));
        CHECK(n > 0);
        have += (size_t)n;
    }
    CHECK(memcmp(found, bytes, length) == 0);
    if (last)
        CHECK_EQ(OK(read(fd, found, 1)), 0);
}

static int error_of(int fd) {
    struct pollfd entry = {.fd = fd, .events = POLLOUT};
    CHECK_EQ(OK(poll(&entry, 1, PATIENCE_MS)), 1);
    int error = 0;
    socklen_t len = sizeof error;
    OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    return error;
}

static int port_of(int fd) {
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    OK(getsockname(fd, (struct sockaddr *)&at, &len));
    return ntohs(at.sin_port);
}

static void heard(int signal_number) {
    (void)signal_number;
}

static void *ask_and_wait(void *arg) {
    (void)arg;
    int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(connect(fd, (const struct sockaddr *)&silent_at, sizeof silent_at));
    put(fd, "waited", 6);
    expect(fd, "waited", 6, 0);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK_EQ(argc, 6);
    struct sockaddr_in at = address("0.0.0.0", atoi(argv[1]));
    open_at = address(argv[2], atoi(argv[3]));
    closed_at = address(argv[2], atoi(argv[4]));
    silent_at = address(argv[5], atoi(argv[3]));
    fill(bulk, sizeof bulk, 7);
    int listener = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(bind(listener, (struct sockaddr *)&at, sizeof at));
    OK(listen(listener, 8));
    int control = OK(accept(listener, NULL, NULL));

    int ended = dial(&open_at, 0);
    put(ended, "ended", 5);
    OK(shutdown(ended, SHUT_WR));
    int heard_all = dial(&open_at, 0);
    put(heard_all, "heard", 5);
    int unheard = dial(&open_at, SOCK_NONBLOCK);
    int refused = dial(&closed_at, SOCK_NONBLOCK);
    int known = dial(&closed_at, SOCK_NONBLOCK);
    CHECK_EQ(error_of(known), ECONNREFUSED);

    /* A connect that a signal ends goes on without it. */
    struct sigaction action = {.sa_handler = heard};
    OK(sigaction(SIGALRM, &action, NULL));
    int interrupted = OK(socket(AF_INET, SOCK_STREAM, 0));
    /* Again and again: the first one may come before the connect. */
    struct itimerval often = {{0, 100000}, {0, 100000}}, never = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &often, NULL));
    FAILS(connect(interrupted, (struct sockaddr *)&silent_at, sizeof silent_at), EINTR);
    OK(setitimer(ITIMER_REAL, &never, NULL));
    int interrupted_port = port_of(interrupted);
    pthread_t waiting;
    ZERO(pthread_create(&waiting, NULL, ask_and_wait, NULL));

    /* Inside. */
    int inner = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(listen(inner, 8));
    struct sockaddr_in inside = address("127.0.0.1", port_of(inner));
    int one = dial(&inside, 0), other = OK(accept(inner, NULL, NULL));
    put(one, bulk, 100000);
    put(other, bulk + 1, 1000);
    OK(shutdown(other, SHUT_WR));
    int early = dial(&inside, SOCK_NONBLOCK), late = OK(accept(inner, NULL, NULL));
    put(early, "early", 5);
    OK(close(early));
    int queued = dial(&inside, 0), gone = dial(&inside, 0);
    put(queued, "queued", 6);
    put(gone, "gone", 4);
    OK(close(gone));

    /* Datagrams, from ports that the kernel chooses. */
    int asks = OK(socket(AF_INET, SOCK_DGRAM, 0));
    OK(sendto(asks, "question", 8, 0, (struct sockaddr *)&open_at, sizeof open_at));
    int asks_port = port_of(asks);
    int bound = OK(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in any = {.sin_family = AF_INET};
    OK(bind(bound, (struct sockaddr *)&any, sizeof any));
    int bound_port = port_of(bound);

    put(control, "ready\n", 6);
    expect(control, "sync\n", 5, 0);
    put(control, "synced\n", 7);
    expect(control, "go\n", 3, 0);

    expect(ended, "answer", 6, 1);
    OK(close(ended));
    expect(heard_all, "all", 3, 1);
    put(heard_all, "over", 4);
    OK(close(heard_all));
    CHECK_EQ(error_of(unheard), 0);
    OK(fcntl(unheard, F_SETFL, 0));
    put(unheard, "unheard", 7);
    expect(unheard, "unheard", 7, 0);
    CHECK_EQ(error_of(refused), ECONNREFUSED);
    FAILS(send(known, "x", 1, MSG_NOSIGNAL), EPIPE);
    OK(fcntl(known, F_SETFL, 0));
    OK(connect(known, (struct sockaddr *)&open_at, sizeof open_at));
    put(known, "known", 5);
    expect(known, "known", 5, 0);
    CHECK_EQ(error_of(interrupted), 0);
    CHECK_EQ(port_of(interrupted), interrupted_port);
    put(interrupted, "interrupted", 11);
    expect(interrupted, "interrupted", 11, 0);
    ZERO(pthread_join(waiting, NULL));

    expect(other, bulk, 100000, 0);
    put(one, "still", 5);
    expect(other, "still", 5, 0);
    expect(one, bulk + 1, 1000, 1);
    OK(close(one));
    CHECK_EQ(OK(read(other, found, 1)), 0);
    expect(late, "early", 5, 1);
    int accepted = OK(accept(inner, NULL, NULL));
    expect(accepted, "queued", 6, 0);
    put(accepted, "back", 4);
    expect(queued, "back", 4, 0);
    accepted = OK(accept(inner, NULL, NULL));
    expect(accepted, "gone", 4, 1);
    int again = dial(&inside, 0);
    accepted = OK(accept(inner, NULL, NULL));
    put(again, "again", 5);
    expect(accepted, "again", 5, 0);

    CHECK_EQ(port_of(asks), asks_port);
    CHECK_EQ(port_of(bound), bound_port);
    CHECK_EQ(OK(recv(asks, found, sizeof found, 0)), 6);
    CHECK(memcmp(found, "answer", 6) == 0);
    put(control, "well\n", 5);
    return 0;
}
