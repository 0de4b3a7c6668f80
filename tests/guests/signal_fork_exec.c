/* Handlers that fork, execute, wait and make threads; the interrupted calls go on. */
#include "guest.h"

static int p[2];
static volatile long exits;
static char *self;

static void *thread(void *argument) { return argument; }

static void on_signal(int number) {
    int saved = errno, status;
    pid_t pid = fork();
    if (pid == 0) {
        if (number == SIGUSR2) {
            char *const arguments[] = {self, (char *)"executed", NULL};
            execv("/proc/self/exe", arguments);
        }
        _exit(11);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    exits = exits * 100 + WEXITSTATUS(status);
    pthread_t t;
    void *value;
    ZERO(pthread_create(&t, NULL, thread, &p));
    ZERO(pthread_join(t, &value));
    CHECK(value == &p);
    errno = saved;
}

int main(int argc, char **argv) {
    self = argv[0];
    if (argc == 2)
        return 22;
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    OK(sigaction(SIGUSR1, &a, NULL));
    OK(sigaction(SIGUSR2, &a, NULL));
    OK(pipe(p));
    pid_t parent = getpid(), pid = OK(fork());
    if (pid == 0) {
        char byte;
        read_exactly(p[0], &byte, 1);
        sleep_ms(2);
        OK(kill(parent, SIGUSR1));
        sleep_ms(20);
        _exit(0);
    }
    int status;
    OK(kill(parent, SIGUSR2));
    CHECK_EQ(exits, 22);
    write_all(p[1], "x", 1);
    /* The wait is restarted after the handler, which waited for another child. */
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK_EQ(exits, 2211);
    say("exits %ld", exits);
    pid = OK(fork());
    if (pid == 0) {
        OK(raise(SIGUSR2));
        _exit(exits == 221122 ? 5 : 1);
    }
    expect_exit(pid, 5);
    return 0;
}
