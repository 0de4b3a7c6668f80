/* A process looks at another through /proc, also after that has become a zombie. */
#include "guest.h"

static char state_of(pid_t pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = OK(open(path, O_RDONLY));
    ssize_t n = OK(read(fd, text, sizeof text - 1));
    text[n] = 0;
    OK(close(fd));
    char *end = strrchr(text, ')');
    CHECK(end);
    return end[2];
}

int main(void) {
    int hold[2];
    OK(pipe(hold));
    pid_t pid = OK(fork());
    if (pid == 0) {
        char c;
        close(hold[1]);
        CHECK_EQ(read(hold[0], &c, 1), 0);
        _exit(7);
    }
    OK(close(hold[0]));
    sleep_ms(5);
    char state = state_of(pid);
    say("child %d is %c", (int)pid, state);
    CHECK(state == 'S' || state == 'R' || state == 't');
    OK(kill(pid, 0));
    OK(close(hold[1]));
    siginfo_t info;
    OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    CHECK_EQ(state_of(pid), 'Z');
    OK(kill(pid, 0));
    expect_exit(pid, 7);
    FAILS(kill(pid, 0), ESRCH);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    FAILS(access(path, F_OK), ENOENT);
    return 0;
}
