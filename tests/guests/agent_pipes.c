/* Pipes, and what is like them, that wait: between processes and threads, with more than fits, ended by signals with and
 * without a handler, by the last reader's end, and by a stop of the process; polled; and switched to not waiting. */
#include "guest.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/time.h>

enum { ROUNDS = 60, BIG = 60000 };

static int there[2], back[2];
/* Shared with the child that sends the signal. */
static _Atomic int *handled;

static void count(int number) {
    (void)number;
    atomic_fetch_add(handled, 1);
}

static void install(int number, int flags) {
    OK(sigaction(number, &(struct sigaction){.sa_handler = count, .sa_flags = flags}, NULL));
}

/* One place each, so that it is met often enough. */
__attribute__((noinline)) static ssize_t get(int fd, void *data, size_t size) {
    return read(fd, data, size);
}

__attribute__((noinline)) static ssize_t put(int fd, const void *data, size_t size) {
    return write(fd, data, size);
}

static void echo(void) {
    uint32_t word;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        CHECK_EQ(get(there[0], &word, sizeof word), sizeof word);
        word = word * 31 + i;
        CHECK_EQ(put(back[1], &word, sizeof word), sizeof word);
    }
}

static uint32_t ask(void) {
    uint32_t sum = 0, word;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        CHECK_EQ(put(there[1], &i, sizeof i), sizeof i);
        CHECK_EQ(get(back[0], &word, sizeof word), sizeof word);
        CHECK_EQ(word, i * 31 + i);
        sum += word;
    }
    return sum;
}

static void *echoes(void *argument) {
    echo();
    return argument;
}

static void in_turns(void) {
    pthread_t thread;
    pid_t pid = OK(fork());
    if (pid == 0) {
        echo();
        _exit(0);
    }
    say("processes %u", ask());
    expect_exit(pid, 0);
    ZERO(pthread_create(&thread, NULL, echoes, NULL));
    say("threads %u", ask());
    ZERO(pthread_join(thread, NULL));
}

/* More than there is room for: a part is written at once, the rest waits. */
static void big(void) {
    static char sent[BIG], got[4 * BIG];
    pid_t pid = OK(fork());
    if (pid == 0) {
        for (unsigned i = 0; i < 8; i++) {
            fill(sent, BIG, i);
            CHECK_EQ(put(there[1], sent, BIG - i), BIG - i);
        }
        _exit(0);
    }
    uint64_t sum = 0;
    for (unsigned i = 0; i < 8; i++) {
        if (i % 3 == 0)
            sleep_ms(2);
        for (size_t done = 0; done < BIG - i;) {
            ssize_t n = get(there[0], got + done, BIG - i - done);
            CHECK(n > 0);
            done += (size_t)n;
        }
        fill(sent, BIG, i);
        CHECK(memcmp(sent, got, BIG - i) == 0);
        sum += hash(got, BIG - i);
    }
    expect_exit(pid, 0);
    say("big %016llx", (unsigned long long)sum);
}

/* A signal in the middle of the wait, and what is waited for once a handler has seen it, or later. */
static pid_t disturb(int number, int fd, int end) {
    atomic_store(handled, 0);
    pid_t parent = getpid(), pid = OK(fork());
    if (pid == 0) {
        char bytes[BIG];
        until_asleep(parent);
        sleep_ms(3);
        OK(kill(parent, number));
        if (number == SIGWINCH)
            sleep_ms(3);
        else
            while (atomic_load(handled) == 0)
                sleep_ms(1);
        if (end)
            CHECK_EQ(put(fd, "d", 1), 1);
        else
            CHECK_EQ(get(fd, bytes, sizeof bytes), sizeof bytes);
        _exit(0);
    }
    return pid;
}

static void signals(void) {
    static char bytes[BIG];
    char byte;
    for (int restarts = 0; restarts < 2; restarts++) {
        install(SIGUSR1, restarts ? SA_RESTART : 0);
        pid_t pid = disturb(SIGUSR1, there[1], 1);
        ssize_t got = get(there[0], &byte, 1);
        if (restarts)
            CHECK_EQ(got, 1);
        else
            CHECK(got == -1 && errno == EINTR);
        CHECK_EQ(atomic_load(handled), 1);
        if (!restarts)
            CHECK_EQ(get(there[0], &byte, 1), 1);
        expect_exit(pid, 0);
        /* A pipe that is full. */
        CHECK_EQ(put(there[1], bytes, BIG), BIG);
        CHECK_EQ(put(there[1], bytes, 4096), 4096);
        pid = disturb(SIGUSR1, there[0], 0);
        got = put(there[1], bytes, 4096);
        if (restarts)
            CHECK_EQ(got, 4096);
        else
            CHECK(got == -1 && errno == EINTR);
        CHECK_EQ(atomic_load(handled), 1);
        expect_exit(pid, 0);
        for (size_t left = restarts ? 8192 : 4096; left > 0;) {
            ssize_t n = get(there[0], bytes, left);
            CHECK(n > 0);
            left -= (size_t)n;
        }
    }
    /* Nobody takes notice of this one. */
    pid_t pid = disturb(SIGWINCH, there[1], 1);
    CHECK_EQ(get(there[0], &byte, 1), 1);
    expect_exit(pid, 0);
}

static void nobody_reads(void) {
    int broken[2];
    OK(pipe(broken));
    for (int i = 0; i < ROUNDS; i++) {
        char byte;
        CHECK_EQ(put(broken[1], "b", 1), 1);
        CHECK_EQ(get(broken[0], &byte, 1), 1);
    }
    OK(close(broken[0]));
    install(SIGPIPE, 0);
    atomic_store(handled, 0);
    for (int i = 0; i < 3; i++)
        FAILS(put(broken[1], "b", 1), EPIPE);
    CHECK_EQ(atomic_load(handled), 3);
    OK(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
    FAILS(put(broken[1], "b", 1), EPIPE);
    OK(signal(SIGPIPE, SIG_DFL) == SIG_ERR ? -1 : 0);
    pid_t pid = OK(fork());
    if (pid == 0) {
        say("writes where nobody reads");
        (void)!put(broken[1], "b", 1);
        _exit(1);
    }
    expect_signal(pid, SIGPIPE);
    OK(close(broken[1]));
}

static void switched(void) {
    char byte;
    int flags = OK(fcntl(there[0], F_GETFL));
    for (int i = 0; i < 3; i++) {
        OK(fcntl(there[0], F_SETFL, flags | O_NONBLOCK));
        FAILS(get(there[0], &byte, 1), EAGAIN);
        OK(fcntl(there[0], F_SETFL, flags));
        CHECK_EQ(put(there[1], "n", 1), 1);
        CHECK_EQ(get(there[0], &byte, 1), 1);
    }
    CHECK_EQ(get(there[0], &byte, 0), 0);
    FAILS(get(there[1], &byte, 1), EBADF);
}

static int counter, timer;

static void *adds(void *argument) {
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        CHECK_EQ(put(counter, &i, 8), 8);
        if (i % 16 == 0)
            sleep_ms(1);
    }
    return argument;
}

static void counters(void) {
    pthread_t thread;
    uint64_t value, sum = 0;
    counter = OK(eventfd(0, 0));
    ZERO(pthread_create(&thread, NULL, adds, NULL));
    while (sum < ROUNDS * (ROUNDS + 1) / 2) {
        CHECK_EQ(get(counter, &value, 8), 8);
        sum += value;
    }
    ZERO(pthread_join(thread, NULL));
    FAILS(get(counter, &value, 4), EINVAL);
    FAILS(get(counter, &value, 0), EINVAL);
    FAILS(put(counter, &value, 0), EINVAL);
    timer = OK(timerfd_create(CLOCK_MONOTONIC, 0));
    struct itimerspec often = {{0, 1000000}, {0, 1000000}};
    OK(timerfd_settime(timer, 0, &often, NULL));
    for (sum = 0; sum < 30; sum += value)
        CHECK_EQ(get(timer, &value, 8), 8);
    FAILS(get(timer, &value, 0), EINVAL);
    OK(close(counter)), OK(close(timer));
}

static void polled(void) {
    struct pollfd both[2] = {{there[0], POLLIN, 0x55}, {back[0], POLLIN, 0x55}};
    char byte;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(put(i % 2 ? there[1] : back[1], "p", 1), 1);
        CHECK_EQ(poll(both, 2, -1), 1);
        CHECK(both[i % 2 ? 0 : 1].revents == POLLIN && both[i % 2 ? 1 : 0].revents == 0);
        CHECK_EQ(get(both[i % 2 ? 0 : 1].fd, &byte, 1), 1);
    }
    for (int i = 0; i < 4; i++) {
        uint64_t before = now_ns();
        CHECK_EQ(poll(both, 2, 5), 0);
        CHECK((now_ns() - before) / 1000000 >= 5);
    }
    install(SIGUSR1, SA_RESTART);
    pid_t pid = disturb(SIGUSR1, back[1], 1);
    FAILS(poll(both, 2, 20000), EINTR);
    CHECK_EQ(atomic_load(handled), 1);
    CHECK_EQ(poll(both, 2, 20000), 1);
    CHECK_EQ(both[1].revents, POLLIN);
    expect_exit(pid, 0);
    CHECK_EQ(get(back[0], &byte, 1), 1);
    pid = disturb(SIGWINCH, back[1], 1);
    CHECK_EQ(poll(both, 2, 20000), 1);
    expect_exit(pid, 0);
    CHECK_EQ(get(back[0], &byte, 1), 1);
}

static void stopped(void) {
    int status;
    pid_t pid = OK(fork());
    if (pid == 0) {
        char byte;
        CHECK_EQ(get(there[0], &byte, 1), 1);
        struct pollfd one = {there[0], POLLIN, 0};
        CHECK_EQ(poll(&one, 1, 60000), 1);
        CHECK_EQ(get(there[0], &byte, 1), 1);
        _exit(0);
    }
    for (int i = 0; i < 4; i++) {
        until_asleep(pid);
        OK(kill(pid, SIGSTOP));
        CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
        CHECK(WIFSTOPPED(status));
        OK(kill(pid, SIGCONT));
        CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
        if (i == 1)
            CHECK_EQ(put(there[1], "s", 1), 1);
    }
    CHECK_EQ(put(there[1], "s", 1), 1);
    expect_exit(pid, 0);
}

int main(void) {
    handled = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    OK(pipe(there)), OK(pipe(back));
    OK(fcntl(there[1], F_SETPIPE_SZ, 65536));
    for (int round = 0; round < 2; round++) {
        in_turns();
        big();
        signals();
        nobody_reads();
        switched();
        counters();
        polled();
        stopped();
    }
    say("done");
    return 0;
}
