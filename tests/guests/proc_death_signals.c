/* Children that die of each fatal signal, with and without a core. */
#include "guest.h"
#include <sys/resource.h>

int main(void) {
    static const int fatal[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1,
        SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR,
        SIGSYS, 34, 50, 64};
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    for (unsigned i = 0; i < sizeof fatal / sizeof fatal[0]; i++) {
        pid_t pid = OK(fork());
        if (pid == 0) {
            kill(getpid(), fatal[i]);
            _exit(0);
        }
        expect_signal(pid, fatal[i]);
    }
    static const int harmless[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT};
    for (unsigned i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        pid_t pid = OK(fork());
        if (pid == 0) {
            OK(kill(getpid(), harmless[i]));
            _exit(70);
        }
        expect_exit(pid, 70);
    }
    FAILS(kill(getpid(), 65), EINVAL);
    say("all died as they should");
    return 0;
}
