/* execve from a thread that is not the leader: it takes the leader's id, the others are gone. */
#include "guest.h"

static char **arguments;

__attribute__((noreturn)) static void *idle(void *unused) {
    (void)unused;
    for (;;)
        pause();
}

__attribute__((noreturn)) static void *executor(void *unused) {
    (void)unused;
    sleep_ms(2);
    char leader[32], tid[32];
    snprintf(leader, sizeof leader, "%d", (int)getpid());
    snprintf(tid, sizeof tid, "%ld", syscall(SYS_gettid));
    say("thread %s of %s execs", tid, leader);
    char *const next[] = {arguments[0], leader, tid, NULL};
    execv("/proc/self/exe", next);
    guest_fail(__FILE__, __LINE__, "execv");
}

int main(int argc, char **argv) {
    if (argc == 3) {
        CHECK_EQ(atoi(argv[1]), getpid());
        CHECK_EQ(syscall(SYS_gettid), getpid());
        CHECK(atoi(argv[2]) != getpid());
        FAILS(syscall(SYS_tgkill, getpid(), atoi(argv[2]), 0), ESRCH);
        say("new image is %d", (int)getpid());
        return 23;
    }
    arguments = argv;
    pthread_t t;
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&t, NULL, idle, NULL));
    ZERO(pthread_create(&t, NULL, executor, NULL));
    ZERO(pthread_join(t, NULL));
    return 1;
}
