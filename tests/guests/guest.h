/*
 * What every guest program shares: checks that name file and line, output that
 * is not buffered (so that fork and sudden death lose nothing), a hash to print
 * instead of bulk data, and the ends of child processes.
 */
#ifndef GUEST_H
#define GUEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul

/* One write(2) per line: the order of lines from several threads or processes
 * is then the order of system calls. */
__attribute__((format(printf, 1, 2), unused)) static void say(const char *format, ...) {
    char line[4096];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line - 1, format, list);
    va_end(list);
    if (length > (int)sizeof line - 2)
        length = (int)sizeof line - 2;
    line[length++] = '\n';
    for (int done = 0; done < length;) {
        ssize_t n = write(STDOUT_FILENO, line + done, (size_t)(length - done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(2);
        done += (int)n;
    }
}

__attribute__((noreturn, unused)) static void guest_fail(const char *file, int line, const char *what) {
    int error = errno;
    dprintf(STDERR_FILENO, "%s:%d: failed: %s (errno %d %s)\n", file, line, what, error, strerror(error));
    _exit(1);
}

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            guest_fail(__FILE__, __LINE__, #condition);                                                      \
    } while (0)

/* Both values are shown, which a plain CHECK cannot do. */
#define CHECK_EQ(left, right)                                                                                \
    do {                                                                                                     \
        long long left_ = (long long)(left), right_ = (long long)(right);                                    \
        if (left_ != right_) {                                                                               \
            dprintf(STDERR_FILENO, "%s is %lld, %s is %lld\n", #left, left_, #right, right_);                \
            guest_fail(__FILE__, __LINE__, #left " == " #right);                                             \
        }                                                                                                    \
    } while (0)

/* The expression must fail with exactly this errno. */
#define FAILS(expression, error)                                                                             \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        long long result_ = (long long)(expression);                                                         \
        if (result_ != -1 || errno != (error)) {                                                             \
            dprintf(STDERR_FILENO, "result %lld, wanted errno %d\n", result_, (error));                      \
            guest_fail(__FILE__, __LINE__, #expression " fails with " #error);                               \
        }                                                                                                    \
    } while (0)

/* The expression must not give -1; its value is the result. */
#define OK(expression)                                                                                       \
    __extension__({                                                                                          \
        __typeof__(expression) result_ = (expression);                                                       \
        if ((long)result_ == -1)                                                                             \
            guest_fail(__FILE__, __LINE__, #expression);                                                     \
        result_;                                                                                             \
    })

/* For pthread functions, which return the error. */
#define ZERO(expression)                                                                                     \
    do {                                                                                                     \
        int result_ = (expression);                                                                          \
        if (result_ != 0) {                                                                                  \
            errno = result_;                                                                                 \
            guest_fail(__FILE__, __LINE__, #expression " == 0");                                             \
        }                                                                                                    \
    } while (0)

__attribute__((unused)) static uint64_t hash(const void *data, size_t size) {
    const unsigned char *bytes = (const unsigned char *)data;
    uint64_t h = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < size; i++)
        h = (h ^ bytes[i]) * 0x100000001b3ull;
    return h;
}

/* Bytes that differ at every offset and for every seed, without randomness. */
__attribute__((unused)) static void fill(void *data, size_t size, unsigned seed) {
    unsigned char *bytes = (unsigned char *)data;
    uint32_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (unsigned char)(x >> 24);
    }
}

__attribute__((unused)) static void expect_exit(pid_t pid, int code) {
    int status = 0;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    CHECK_EQ(got, pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code) {
        dprintf(STDERR_FILENO, "pid %d ended with status %#x, wanted exit %d\n", (int)pid, status, code);
        guest_fail(__FILE__, __LINE__, "child's exit code");
    }
}

__attribute__((unused)) static void expect_signal(pid_t pid, int signal_number) {
    int status = 0;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    CHECK_EQ(got, pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != signal_number) {
        dprintf(STDERR_FILENO, "pid %d ended with status %#x, wanted signal %d\n", (int)pid, status, signal_number);
        guest_fail(__FILE__, __LINE__, "child's signal");
    }
}

__attribute__((unused)) static void write_all(int fd, const void *data, size_t size) {
    const char *bytes = (const char *)data;
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        CHECK(n > 0);
        bytes += n;
        size -= (size_t)n;
    }
}

__attribute__((unused)) static void read_exactly(int fd, void *data, size_t size) {
    char *bytes = (char *)data;
    while (size > 0) {
        ssize_t n = read(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        CHECK(n > 0);
        bytes += n;
        size -= (size_t)n;
    }
}

/* Everything up to end of file, of at most `size` bytes. */
__attribute__((unused)) static size_t read_to_end(int fd, void *data, size_t size) {
    char *bytes = (char *)data;
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, bytes + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        CHECK(n >= 0);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return done;
}

__attribute__((unused)) static void make_file(const char *path, const void *data, size_t size) {
    int fd = OK(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    write_all(fd, data, size);
    OK(close(fd));
}

__attribute__((unused)) static uint64_t now_ns(void) {
    struct timespec t;
    OK(clock_gettime(CLOCK_MONOTONIC, &t));
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

__attribute__((unused)) static void sleep_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) != 0)
        CHECK(errno == EINTR);
}

/* Waits until a process sleeps in a wait that a signal can end. Whoever does is in the call that it said it would make, if
 * there is no other wait before it. */
__attribute__((unused)) static void until_asleep(pid_t pid) {
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    for (;;) {
        int fd = OK(open(path, O_RDONLY | O_CLOEXEC));
        size_t length = read_to_end(fd, text, sizeof text - 1);
        OK(close(fd));
        text[length] = 0;
        const char *name_end = strrchr(text, ')');
        if (name_end != NULL && strncmp(name_end, ") S ", 4) == 0)
            return;
        sleep_ms(1);
    }
}

/* Installs a handler that gets siginfo and context. */
__attribute__((unused)) static void handle(int signal_number, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigemptyset(&action.sa_mask);
    OK(sigaction(signal_number, &action, NULL));
}

/* The watchdog of guests that need the timer of alarm() themselves. */
__attribute__((unused)) static void limits_time(void) {
    struct sigevent end;
    memset(&end, 0, sizeof end);
    end.sigev_notify = SIGEV_SIGNAL;
    end.sigev_signo = SIGTERM;
    struct itimerspec late = {{0, 0}, {60, 0}};
    timer_t timer;
    OK(timer_create(CLOCK_MONOTONIC, &end, &timer));
    OK(timer_settime(timer, 0, &late, NULL));
}

#endif
