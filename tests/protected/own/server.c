/*
 * A server with connections of its own: to a backend, one for all of a worker's requests and one
 * for each request, and over the loopback device to a ledger that is part of it. Its workers are
 * threads or processes, which accept from one listening socket.
 *
 *   server threads|workers PORT BACKEND KEPT-PORT SINGLE-PORT
 *
 * Request "ID N", answer "ID N TOTAL COUNT LENGTH" and LENGTH bytes, which the backend gave.
 */
#include "../../guests/guest.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { WORKERS = 3, CLIENTS_MAX = 256, LINE_MAX_ = 128, BODY_MAX = 1 << 16 };

struct shared {
    pthread_mutex_t lock;
    unsigned long total;
};

struct reader {
    int fd;
    size_t have;
    char bytes[LINE_MAX_];
};

static struct shared *shared;
static int listener, ledger_port;
static struct sockaddr_in kept_at, single_at;

static struct sockaddr_in address(const char *ip, int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    CHECK_EQ(inet_pton(AF_INET, ip, &at.sin_addr), 1);
    return at;
}

static int dial(const struct sockaddr_in *to) {
    int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(connect(fd, (const struct sockaddr *)to, sizeof *to));
    OK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)));
    return fd;
}

/* Without waiting in connect: bound first, then asked whether it is there. */
static int dial_without_waiting(const struct sockaddr_in *to) {
    int fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)));
    struct sockaddr_in any = {.sin_family = AF_INET}, before, after;
    OK(bind(fd, (struct sockaddr *)&any, sizeof any));
    socklen_t len = sizeof before;
    OK(getsockname(fd, (struct sockaddr *)&before, &len));
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) != 0) {
        CHECK_EQ(errno, EINPROGRESS);
        struct pollfd entry = {.fd = fd, .events = POLLOUT};
        CHECK_EQ(OK(poll(&entry, 1, 60000)), 1);
        int error = 0;
        len = sizeof error;
        OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
        CHECK_EQ(error, 0);
    }
    len = sizeof after;
    OK(getsockname(fd, (struct sockaddr *)&after, &len));
    CHECK_EQ(before.sin_port, after.sin_port);
    OK(fcntl(fd, F_SETFL, 0));
    return fd;
}

static void send_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t n = OK(send(fd, bytes, length, MSG_NOSIGNAL));
        bytes += n;
        length -= (size_t)n;
    }
}

static void receive_all(int fd, char *bytes, size_t length) {
    while (length > 0) {
        ssize_t n = OK(read(fd, bytes, length));
        CHECK(n > 0);
        bytes += n;
        length -= (size_t)n;
    }
}

/* More of a line, and nothing of what follows it: 1 if whole, 0 if there is no more yet, -1 at the
 * end. */
static int more_of_line(struct reader *reader) {
    for (;;) {
        char *at = reader->bytes + reader->have;
        CHECK(reader->have < LINE_MAX_ - 1);
        ssize_t there = recv(reader->fd, at, LINE_MAX_ - 1 - reader->have, MSG_PEEK);
        if (there < 0 && errno == EAGAIN)
            return 0;
        if (OK(there) == 0)
            return -1;
        char *end = memchr(at, '\n', (size_t)there);
        size_t wanted = end ? (size_t)(end - at) + 1 : (size_t)there;
        CHECK_EQ(OK(read(reader->fd, at, wanted)), (ssize_t)wanted);
        reader->have += wanted;
        if (end) {
            *end = 0;
            reader->have = 0;
            return 1;
        }
    }
}

static void receive_line(int fd, char *line) {
    struct reader reader = {.fd = fd};
    CHECK_EQ(more_of_line(&reader), 1);
    strcpy(line, reader.bytes);
}

static void answer(int client, char *line, int *kept, int *ledger) {
    unsigned id, n, other, again, length;
    CHECK_EQ(sscanf(line, "%u %u", &id, &n), 2);
    char text[LINE_MAX_ * 2];
    char *body = OK(malloc(BODY_MAX));
    if (*kept < 0)
        *kept = dial(&kept_at);
    send_all(*kept, text, (size_t)sprintf(text, "%u %u\n", id, n));
    receive_line(*kept, text);
    CHECK_EQ(sscanf(text, "%u %u %u", &other, &again, &length), 3);
    CHECK(other == id && again == n && length <= BODY_MAX);
    receive_all(*kept, body, length);

    int single = n % 2 ? dial(&single_at) : dial_without_waiting(&single_at);
    send_all(single, text, (size_t)sprintf(text, "%u %u\n", id, n));
    OK(shutdown(single, SHUT_WR));
    receive_line(single, text);
    CHECK_EQ(sscanf(text, "%u %u", &other, &again), 2);
    CHECK(other == id && again == n);
    CHECK_EQ(OK(read(single, text, 1)), 0);
    OK(close(single));

    struct sockaddr_in at = address("127.0.0.1", ledger_port);
    int own = n % 4 ? *ledger : dial(&at);
    if (own < 0)
        own = *ledger = dial(&at);
    unsigned long count;
    send_all(own, text, (size_t)sprintf(text, "%u %u\n", id, n));
    receive_line(own, text);
    CHECK_EQ(sscanf(text, "%u %u %lu", &other, &again, &count), 3);
    CHECK(other == id && again == n);
    if (own != *ledger)
        OK(close(own));

    ZERO(pthread_mutex_lock(&shared->lock));
    unsigned long total = ++shared->total;
    ZERO(pthread_mutex_unlock(&shared->lock));
    int head = sprintf(text, "%u %u %lu %lu %u\n", id, n, total, count, length);
    send_all(client, text, (size_t)head);
    send_all(client, body, length);
    free(body);
}

/* Accepts and serves; a line of the ledger is told from a request by where it came in. */
static void *serve(void *arg) {
    int own_listener = *(int *)arg, kept = -1, ledger = -1, ids_max = 4096;
    unsigned long count = 0;
    unsigned *last = own_listener == listener ? NULL : OK(calloc((size_t)ids_max, sizeof *last));
    int epoll = OK(epoll_create1(0));
    struct reader *accepting = OK(calloc(1, sizeof *accepting));
    accepting->fd = own_listener;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = accepting};
    OK(epoll_ctl(epoll, EPOLL_CTL_ADD, own_listener, &event));
    for (;;) {
        struct epoll_event ready;
        int found = epoll_wait(epoll, &ready, 1, -1);
        if (found < 0 && errno == EINTR)
            continue;
        CHECK_EQ(found, 1);
        struct reader *reader = ready.data.ptr;
        if (reader == accepting) {
            int fd = accept4(own_listener, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0 && errno == EAGAIN)
                continue;
            struct reader *fresh = OK(calloc(1, sizeof *fresh));
            fresh->fd = OK(fd);
            OK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)));
            event.data.ptr = fresh;
            OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
            continue;
        }
        int whole = more_of_line(reader);
        if (whole == 0)
            continue;
        if (whole < 0) {
            OK(close(reader->fd));
            free(reader);
            continue;
        }
        if (strcmp(reader->bytes, "quit") == 0)
            exit(0);
        if (last == NULL) {
            OK(fcntl(reader->fd, F_SETFL, 0));
            answer(reader->fd, reader->bytes, &kept, &ledger);
            OK(fcntl(reader->fd, F_SETFL, O_NONBLOCK));
            continue;
        }
        unsigned id, n;
        CHECK_EQ(sscanf(reader->bytes, "%u %u", &id, &n), 2);
        CHECK(id < (unsigned)ids_max);
        CHECK_EQ(n, last[id] + 1);
        last[id] = n;
        char text[LINE_MAX_];
        send_all(reader->fd, text, (size_t)sprintf(text, "%u %u %lu\n", id, n, ++count));
    }
}

static int listen_at(const char *ip, int port) {
    int fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)));
    struct sockaddr_in at = address(ip, port);
    OK(bind(fd, (struct sockaddr *)&at, sizeof at));
    OK(listen(fd, CLIENTS_MAX));
    return fd;
}

int main(int argc, char **argv) {
    CHECK_EQ(argc, 6);
    int threads = strcmp(argv[1], "threads") == 0;
    listener = listen_at("0.0.0.0", atoi(argv[2]));
    kept_at = address(argv[3], atoi(argv[4]));
    single_at = address(argv[3], atoi(argv[5]));
    /* At a port that the kernel chooses. */
    static int ledger;
    ledger = listen_at("127.0.0.1", 0);
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    OK(getsockname(ledger, (struct sockaddr *)&at, &len));
    ledger_port = ntohs(at.sin_port);

    shared = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pthread_mutexattr_t attributes;
    ZERO(pthread_mutexattr_init(&attributes));
    ZERO(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
    ZERO(pthread_mutex_init(&shared->lock, &attributes));

    pid_t children[WORKERS + 1];
    for (int i = 0; i <= WORKERS; i++) {
        int *own = i == WORKERS ? &ledger : &listener;
        if (threads) {
            pthread_t thread;
            ZERO(pthread_create(&thread, NULL, serve, own));
            continue;
        }
        children[i] = OK(fork());
        if (children[i] == 0)
            serve(own);
    }
    if (threads)
        for (;;)
            pause();
    int status;
    pid_t first = OK(wait(&status));
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    for (int i = 0; i <= WORKERS; i++)
        if (children[i] != first) {
            OK(kill(children[i], SIGTERM));
            expect_signal(children[i], SIGTERM);
        }
    return 0;
}
