/* Everything at once, from a seed: four threads that read, write, look and wake, under a rain of signals, with
 * forks now and then; all of it summed up in the end. */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

enum { THREADS = 4, ROUNDS = 400 };

static int null, zero, file, sock[2], event, ep, late[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static volatile long turns, alarms, kicks;
static pthread_t threads[THREADS];
static uint64_t sums[THREADS];
static unsigned seed;

static void on_alarm(int number) {
    int saved = errno;
    char bytes[24];
    if (read(zero, bytes, sizeof bytes) != sizeof bytes || write(null, bytes, 5) != 5)
        _exit(71);
    if (number == SIGALRM)
        alarms++;
    else
        kicks++;
    errno = saved;
}

static uint32_t next(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void mix(uint64_t *sum, uint64_t value) {
    *sum = (*sum ^ value) * 0x100000001b3ull;
}

static void one(int self, uint32_t *state, uint64_t *sum) {
    char bytes[2048], copy[2048];
    uint32_t r = next(state);
    size_t n = next(state) % sizeof bytes;
    off_t at = (off_t)self * 4096;
    switch (r % 16) {
    case 0:
    case 1:
        memset(bytes, 1, n);
        CHECK_EQ(read(zero, bytes, n), n);
        for (size_t i = 0; i < n; i++)
            CHECK_EQ(bytes[i], 0);
        break;
    case 2:
    case 3:
        fill(bytes, n, r);
        CHECK_EQ(pwrite(file, bytes, n, at), n);
        CHECK_EQ(pread(file, copy, n, at), n);
        CHECK(memcmp(bytes, copy, n) == 0);
        mix(sum, hash(copy, n));
        break;
    case 4: {
        struct iovec v[3] = {{bytes, n / 3}, {bytes, 0}, {bytes, n / 2}};
        memset(bytes, 0, n);
        CHECK_EQ(writev(null, v, 3), n / 3 + n / 2);
        break;
    }
    case 5: {
        struct pollfd p[2] = {{zero, POLLIN, 0x1234}, {-1, POLLIN, 0x7777}};
        CHECK_EQ(poll(p, 2, (int)(r % 3) - 1), 1);
        CHECK(p[0].revents == POLLIN && p[1].revents == 0);
        break;
    }
    case 6: {
        /* A message of this thread to itself, over a socket that all share. */
        fill(bytes, 64, r);
        ZERO(pthread_mutex_lock(&mutex));
        CHECK_EQ(send(sock[0], bytes, 64, 0), 64);
        CHECK_EQ(recv(sock[1], copy, 100, 0), 64);
        CHECK(memcmp(bytes, copy, 64) == 0);
        ZERO(pthread_mutex_unlock(&mutex));
        break;
    }
    case 7: {
        struct epoll_event events[4];
        int found = epoll_wait(ep, events, 4, (int)(r % 2));
        CHECK(found >= 0 || errno == EINTR);
        break;
    }
    case 8: {
        uint64_t one = 1, count = 0;
        ZERO(pthread_mutex_lock(&mutex));
        CHECK_EQ(write(event, &one, 8), 8);
        CHECK_EQ(read(event, &count, 8), 8);
        CHECK_EQ(count, 1);
        FAILS(read(event, &count, 8), EAGAIN);
        ZERO(pthread_mutex_unlock(&mutex));
        break;
    }
    case 9: {
        struct stat st;
        OK(fstat(file, &st)), OK(stat(".", &st));
        FAILS(read(-1, bytes, 1), EBADF);
        FAILS(syscall(SYS_read, zero, 8, 100), EFAULT);
        break;
    }
    case 10:
        CHECK_EQ(getrandom(bytes, n % 256, 0), n % 256);
        mix(sum, hash(bytes, n % 256));
        break;
    case 11:
        ZERO(pthread_mutex_lock(&mutex));
        turns++;
        if (r & 256)
            ZERO(pthread_cond_signal(&cond));
        else
            ZERO(pthread_cond_broadcast(&cond));
        ZERO(pthread_mutex_unlock(&mutex));
        break;
    case 12: {
        ZERO(pthread_mutex_lock(&mutex));
        struct timespec until;
        OK(clock_gettime(CLOCK_REALTIME, &until));
        until.tv_nsec += 200000;
        if (until.tv_nsec >= 1000000000)
            until.tv_sec++, until.tv_nsec -= 1000000000;
        int e = pthread_cond_timedwait(&cond, &mutex, &until);
        CHECK(e == 0 || e == ETIMEDOUT);
        mix(sum, (uint64_t)turns);
        ZERO(pthread_mutex_unlock(&mutex));
        break;
    }
    case 13:
        ZERO(pthread_kill(threads[r / 16 % THREADS], SIGUSR1));
        break;
    case 14:
        if (r / 16 % 24 == 0) {
            pid_t pid = OK(fork());
            if (pid == 0) {
                uint64_t other = 0;
                for (int i = 0; i < 10; i++) {
                    fill(bytes, 100, r + (unsigned)i);
                    CHECK_EQ(write(null, bytes, 100), 100);
                    CHECK_EQ(read(zero, copy, 100), 100);
                    mix(&other, hash(bytes, 100));
                }
                _exit((int)(other % 100));
            }
            uint64_t other = 0;
            for (int i = 0; i < 10; i++) {
                fill(bytes, 100, r + (unsigned)i);
                mix(&other, hash(bytes, 100));
            }
            expect_exit(pid, (int)(other % 100));
        } else {
            sched_yield();
        }
        break;
    default:
        /* A read that waits for another thread. */
        if (self & 1) {
            CHECK_EQ(write(late[1], &r, 1), 1);
        } else {
            struct pollfd p = {late[0], POLLIN, 0};
            if (poll(&p, 1, 0) == 1)
                (void)!read(late[0], bytes, 1);
            mix(sum, now_ns());
        }
    }
}

static void *works(void *argument) {
    int self = (int)(intptr_t)argument;
    uint32_t state = seed * 7919u + (unsigned)self;
    uint64_t sum = 0xcbf29ce484222325ull;
    /* Until all are there. */
    ZERO(pthread_mutex_lock(&mutex));
    ZERO(pthread_mutex_unlock(&mutex));
    for (int i = 0; i < ROUNDS; i++)
        one(self, &state, &sum);
    sums[self] = sum;
    return NULL;
}

int main(int argc, char **argv) {
    seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    null = OK(open("/dev/null", O_RDWR)), zero = OK(open("/dev/zero", O_RDWR));
    file = OK(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
    OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, sock));
    event = OK(eventfd(0, EFD_NONBLOCK)), ep = OK(epoll_create1(0));
    OK(pipe2(late, O_NONBLOCK));
    struct epoll_event watched = {EPOLLIN, {.u64 = 1}};
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, late[0], &watched));
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    OK(sigaction(SIGALRM, &action, NULL)), OK(sigaction(SIGUSR1, &action, NULL));
    ZERO(pthread_mutex_lock(&mutex));
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_create(&threads[i], NULL, works, (void *)(intptr_t)i));
    struct itimerval fast = {{0, 400}, {0, 400}}, off = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &fast, NULL));
    ZERO(pthread_mutex_unlock(&mutex));
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_join(threads[i], NULL));
    OK(setitimer(ITIMER_REAL, &off, NULL));
    uint64_t all = 0;
    for (int i = 0; i < THREADS; i++)
        mix(&all, sums[i]);
    say("seed %u: %016lx, %ld turns, %ld alarms, %ld kicks", seed, (unsigned long)all, turns, alarms, kicks);
    return 0;
}
