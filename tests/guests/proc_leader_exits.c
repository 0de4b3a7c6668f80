/* The leader ends by pthread_exit before its threads: the process lives on and keeps its id. */
#include "guest.h"

static pthread_t leader;

static char state_of_leader(void) {
    char path[64], text[400];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)getpid());
    int fd = OK(open(path, O_RDONLY));
    ssize_t n = OK(read(fd, text, sizeof text - 1));
    OK(close(fd));
    text[n] = 0;
    return strrchr(text, ')')[2];
}

static void *last(void *unused) {
    (void)unused;
    ZERO(pthread_join(leader, NULL));
    /* The kernel wakes who joins before it makes a zombie of the thread. */
    char state;
    while ((state = state_of_leader()) != 'Z')
        sleep_ms(1);
    say("pid %d tid %ld, leader's state %c", (int)getpid(), syscall(SYS_gettid), state);
    /* Signals to the process still find a thread, and fork still works. */
    OK(kill(getpid(), 0));
    pid_t pid = OK(fork());
    if (pid == 0)
        _exit(4);
    expect_exit(pid, 4);
    exit(19);
}

int main(void) {
    leader = pthread_self();
    pthread_t t;
    ZERO(pthread_create(&t, NULL, last, NULL));
    pthread_exit(NULL);
}
