/* A process stops itself and the parent continues it; the whole process with its threads stands still. */
#include "guest.h"

static atomic_int quit;
static int out_fd;
static void *ticker(void *unused) {
    (void)unused;
    while (!atomic_load(&quit)) {
        write_all(out_fd, "t", 1);
        sleep_ms(1);
    }
    return NULL;
}

int main(void) {
    int p[2];
    OK(pipe2(p, O_NONBLOCK));
    out_fd = p[1];
    pid_t pid = OK(fork());
    if (pid == 0) {
        pthread_t t;
        ZERO(pthread_create(&t, NULL, ticker, NULL));
        sleep_ms(3);
        OK(kill(getpid(), SIGSTOP));
        atomic_store(&quit, 1);
        ZERO(pthread_join(t, NULL));
        _exit(15);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    char text[1000];
    ssize_t n;
    while ((n = read(p[0], text, sizeof text)) > 0)
        say("%zd ticks before the stop", n);
    CHECK_EQ(errno, EAGAIN);
    sleep_ms(8);
    FAILS(read(p[0], text, sizeof text), EAGAIN);
    OK(kill(pid, SIGCONT));
    expect_exit(pid, 15);
    return 0;
}
