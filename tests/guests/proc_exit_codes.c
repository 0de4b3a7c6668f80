/* Exit codes are taken modulo 256; _exit, exit, return, quick_exit, and exit from a signal handler. */
#include "guest.h"

static void handlers(void) {
    say("at_quick_exit");
}
static void on_signal(int s) {
    _exit(s);
}

int main(int argc, char **argv) {
    if (argc > 1)
        return atoi(argv[1]);
    static const int codes[] = {0, 1, 127, 128, 255, 256, -1, 1000};
    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        pid_t pid = OK(fork());
        if (pid == 0)
            _exit(codes[i]);
        expect_exit(pid, codes[i] & 0xff);
    }
    pid_t pid = OK(fork());
    if (pid == 0) {
        at_quick_exit(handlers);
        quick_exit(77);
    }
    expect_exit(pid, 77);
    pid = OK(fork());
    if (pid == 0) {
        signal(SIGUSR1, on_signal);
        raise(SIGUSR1);
        _exit(0);
    }
    expect_exit(pid, SIGUSR1);
    pid = OK(fork());
    if (pid == 0)
        syscall(SYS_exit, 9);
    expect_exit(pid, 9);
    return 201;
}
