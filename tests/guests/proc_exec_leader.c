/* execve by the only thread: arguments, environment, closed descriptors, kept ids, reset handlers. */
#include "guest.h"

static void handler(int s) {
    (void)s;
}

int main(int argc, char **argv) {
    char want[64];
    if (argc == 1) {
        int kept = OK(open("kept", O_RDWR | O_CREAT, 0600));
        int closed = OK(open("closed", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        CHECK(kept == 3 && closed == 4);
        write_all(kept, "0123456789", 10);
        OK(lseek(kept, 4, SEEK_SET));
        signal(SIGUSR1, handler);
        signal(SIGUSR2, SIG_IGN);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGHUP);
        OK(sigprocmask(SIG_BLOCK, &set, NULL));
        OK(raise(SIGHUP));
        snprintf(want, sizeof want, "PID=%d", (int)getpid());
        say("before exec %d", (int)getpid());
        char *const arguments[] = {argv[0], (char *)"", (char *)"two words", NULL};
        char *const environment[] = {want, (char *)"EMPTY=", NULL};
        execve("/proc/self/exe", arguments, environment);
        guest_fail(__FILE__, __LINE__, "execve");
    }
    CHECK_EQ(argc, 3);
    CHECK(argv[1][0] == 0 && strcmp(argv[2], "two words") == 0 && argv[3] == NULL);
    snprintf(want, sizeof want, "%d", (int)getpid());
    CHECK(getenv("PID") && strcmp(getenv("PID"), want) == 0 && getenv("EMPTY") && !getenv("PATH"));
    char c;
    CHECK(read(3, &c, 1) == 1 && c == '4');
    FAILS(fcntl(4, F_GETFD), EBADF);
    struct sigaction action;
    OK(sigaction(SIGUSR1, NULL, &action));
    CHECK(action.sa_handler == SIG_DFL);
    OK(sigaction(SIGUSR2, NULL, &action));
    CHECK(action.sa_handler == SIG_IGN);
    sigset_t set;
    OK(sigpending(&set));
    CHECK(sigismember(&set, SIGHUP));
    OK(sigprocmask(SIG_BLOCK, NULL, &set));
    CHECK(sigismember(&set, SIGHUP));
    say("after exec %d, code at %p", (int)getpid(), (void *)main);
    return 17;
}
