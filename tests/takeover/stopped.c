/* A process that a signal has stopped stays so until it is told to go on; one that was killed dies. */
#include "../guests/guest.h"
#include <sys/wait.h>

static void *work(void *arg) {
    (void)arg;
    for (;;)
        pause();
}

int main(void) {
    int hold[2];
    OK(pipe(hold));
    pid_t pid = OK(fork());
    if (pid == 0) {
        pthread_t thread;
        ZERO(pthread_create(&thread, NULL, work, NULL));
        OK(close(hold[1]));
        char c;
        CHECK_EQ(read(hold[0], &c, 1), 0);
        _exit(31);
    }
    int status = 0;
    OK(kill(pid, SIGSTOP));
    CHECK_EQ(OK(waitpid(pid, &status, WUNTRACED)), pid);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    say("stopped");
    OK(close(hold[1]));
    struct timespec moment = {.tv_nsec = 20000000};
    OK(nanosleep(&moment, NULL));
    /* At a takeover it stops again, which may be told again. */
    while (OK(waitpid(pid, &status, WUNTRACED | WNOHANG)) == pid)
        CHECK(WIFSTOPPED(status));
    OK(kill(pid, SIGCONT));
    say("told");
    CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
    CHECK_EQ(status, 31 << 8);
    pid = OK(fork());
    if (pid == 0)
        work(NULL);
    OK(kill(pid, SIGKILL));
    CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
    CHECK_EQ(status, SIGKILL);
    return 0;
}
