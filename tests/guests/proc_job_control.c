/* Stopping and continuing a child and a group; SIGTSTP handled; a stop in a handler's middle. */
#include "guest.h"

static volatile sig_atomic_t stops;
static void on_stop(int s) {
    (void)s;
    stops++;
    signal(SIGTSTP, SIG_DFL);
    raise(SIGTSTP);
}

int main(void) {
    int p[2], go[2];
    OK(pipe(p));
    OK(pipe(go));
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(setpgid(0, 0));
        for (int i = 0; i < 3; i++) {
            char c;
            OK(raise(SIGSTOP));
            /* A second stop too early would hide the continuation from the parent. */
            read_exactly(go[0], &c, 1);
            dprintf(p[1], "%d", i);
        }
        _exit(3);
    }
    int status;
    char c;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
        OK(kill(pid, SIGCONT));
        CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
        CHECK(WIFCONTINUED(status));
        write_all(go[1], "g", 1);
        read_exactly(p[0], &c, 1);
        CHECK_EQ(c, '0' + i);
    }
    expect_exit(pid, 3);

    pid = OK(fork());
    if (pid == 0) {
        signal(SIGTSTP, on_stop);
        OK(setsid() > 0 ? 0 : -1);
        pid_t worker = OK(fork());
        if (worker == 0) {
            OK(setpgid(0, 0));
            write_all(p[1], "w", 1);
            while (!stops)
                sleep_ms(1);
            _exit(12);
        }
        read_exactly(p[0], &c, 1);
        OK(kill(-worker, SIGTSTP));
        CHECK_EQ(waitpid(worker, &status, WUNTRACED), worker);
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
        OK(kill(-worker, SIGCONT));
        expect_exit(worker, 12);
        _exit(13);
    }
    expect_exit(pid, 13);
    /* A stopped child can be killed outright. */
    pid = OK(fork());
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    OK(kill(pid, SIGTERM));
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    OK(kill(pid, SIGKILL));
    expect_signal(pid, SIGKILL);
    say("killed %d while stopped", (int)pid);
    return 0;
}
