/* SIGSTOP and SIGCONT in the middle of waits with a time-out: what is restarted keeps its deadline. */
#include "guest.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

enum { MS = 60 };
static int report[2], go_on[2];

static int wait_in(int kind) {
    struct timespec t = {0, MS * 1000000L}, rest = {0, 0};
    int word = 0, p[2];
    char byte;
    switch (kind) {
    case 0:
        return nanosleep(&t, &rest) == 0 ? 0 : errno;
    case 1:
        return clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &rest);
    case 2:
        return poll(NULL, 0, MS) == 0 ? 0 : errno;
    case 3:
        return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, NULL, 0) == 0 ? 0 : errno;
    case 4:
        return epoll_wait(OK(epoll_create1(0)), &(struct epoll_event){0}, 1, MS) == 0 ? 0 : errno;
    case 5:
        return select(0, NULL, NULL, NULL, &(struct timeval){0, MS * 1000}) == 0 ? 0 : errno;
    case 6:
        OK(pipe(p));
        return read(p[0], &byte, fork() == 0 ? (sleep_ms(MS), write_all(p[1], "x", 1), _exit(0), 0) : 1) == 1 ? 0 : errno;
    default:
        OK(pause());
        return 0;
    }
}

int main(void) {
    static const int expected[] = {0, 0, 0, ETIMEDOUT, 0, 0, 0};
    OK(pipe(report));
    OK(pipe(go_on));
    for (int kind = 0; kind < 7; kind++) {
        pid_t pid = OK(fork());
        if (pid == 0) {
            uint64_t start = now_ns();
            write_all(report[1], "r", 1);
            int result = wait_in(kind);
            uint64_t took = now_ns() - start;
            CHECK(result == EINTR || took >= MS * 1000000ull - 2000000);
            say("kind %d: %d after %lu us", kind, result, (unsigned long)(took / 1000));
            /* Not before it has been stopped as often as it is to be. */
            char byte;
            read_exactly(go_on[0], &byte, 1);
            /* An epoll_wait that was stopped may end with EINTR; all others are restarted. */
            _exit(result == expected[kind] || (kind == 4 && result == EINTR) ? 0 : 1);
        }
        char byte;
        read_exactly(report[0], &byte, 1);
        for (int i = 0; i < 3; i++) {
            OK(kill(pid, SIGSTOP));
            int status;
            CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
            CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
            OK(kill(pid, SIGCONT));
            CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
            CHECK(WIFCONTINUED(status));
        }
        write_all(go_on[1], "g", 1);
        expect_exit(pid, 0);
    }
    return 0;
}
