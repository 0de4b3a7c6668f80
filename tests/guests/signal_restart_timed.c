/* Waits with a time-out that are restarted: the kernel's restart block keeps the deadline. */
#include "guest.h"
#include <linux/futex.h>
#include <poll.h>

static volatile sig_atomic_t hits;
static void on_signal(int s) {
    hits += s == SIGCONT || s == SIGUSR1;
}

int main(void) {
    /* Stopped and continued without a handler: nanosleep and poll go on by restart_syscall. */
    for (int kind = 0; kind < 3; kind++) {
        int ready[2], go_on[2];
        OK(pipe(ready));
        OK(pipe(go_on));
        pid_t pid = OK(fork());
        if (pid == 0) {
            struct timespec t = {0, 40000000};
            int word = 0;
            uint64_t start = now_ns();
            write_all(ready[1], "r", 1);
            int r = kind == 0   ? nanosleep(&t, NULL)
                    : kind == 1 ? poll(NULL, 0, 40)
                                : (int)syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, NULL, 0);
            CHECK(kind == 2 ? r == -1 && errno == ETIMEDOUT : r == 0);
            uint64_t took = now_ns() - start;
            CHECK(took >= 40000000);
            say("kind %d slept %lu ns", kind, (unsigned long)took);
            /* Not before it has been stopped. */
            char byte;
            read_exactly(go_on[0], &byte, 1);
            _exit(5);
        }
        char c;
        read_exactly(ready[0], &c, 1);
        sleep_ms(5);
        OK(kill(pid, SIGSTOP));
        int status;
        CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
        sleep_ms(2);
        OK(kill(pid, SIGCONT));
        write_all(go_on[1], "g", 1);
        expect_exit(pid, 5);
    }
    /* The same with a handler for SIGCONT: then the sleep is interrupted. */
    int ready[2];
    OK(pipe(ready));
    pid_t pid = OK(fork());
    if (pid == 0) {
        signal(SIGCONT, on_signal);
        struct timespec t = {20, 0};
        write_all(ready[1], "r", 1);
        FAILS(nanosleep(&t, &t), EINTR);
        CHECK_EQ(hits, 1);
        _exit(6);
    }
    char c;
    read_exactly(ready[0], &c, 1);
    until_asleep(pid);
    OK(kill(pid, SIGSTOP));
    int status;
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    OK(kill(pid, SIGCONT));
    expect_exit(pid, 6);
    return 0;
}
