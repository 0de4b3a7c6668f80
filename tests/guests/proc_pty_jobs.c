/* Terminal job control: SIGTTIN and SIGTTOU for the background, SIGHUP when the terminal goes. */
#include "guest.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

int main(void) {
    int master, slave;
    OK(openpty(&master, &slave, NULL, NULL, NULL));
    int ready[2];
    OK(pipe(ready));
    pid_t leader = OK(fork());
    if (leader == 0) {
        OK(close(master));
        OK(setsid());
        OK(ioctl(slave, TIOCSCTTY, 0));
        int status;
        char c;
        pid_t background = OK(fork());
        if (background == 0) {
            OK(setpgid(0, 0));
            ssize_t n = read(slave, &c, 1);
            say("background read %zd '%c'", n, c);
            _exit(0);
        }
        CHECK_EQ(waitpid(background, &status, WUNTRACED), background);
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
        signal(SIGTTOU, SIG_IGN);
        OK(tcsetpgrp(slave, background));
        CHECK_EQ(tcgetpgrp(slave), background);
        OK(kill(background, SIGCONT));
        write_all(ready[1], "i", 1);
        expect_exit(background, 0);

        pid_t writer = OK(fork());
        if (writer == 0) {
            signal(SIGTTOU, SIG_DFL);
            OK(setpgid(0, 0));
            struct termios t;
            OK(tcgetattr(slave, &t));
            tcsetattr(slave, TCSANOW, &t);
            _exit(0);
        }
        CHECK_EQ(waitpid(writer, &status, WUNTRACED), writer);
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU);
        OK(kill(writer, SIGKILL));
        expect_signal(writer, SIGKILL);
        OK(tcsetpgrp(slave, getpgrp()));
        write_all(ready[1], "h", 1);
        for (;;)
            pause();
    }
    OK(close(slave));
    char c;
    read_exactly(ready[0], &c, 1);
    write_all(master, "y\n", 2);
    read_exactly(ready[0], &c, 1);
    CHECK(c == 'h');
    OK(close(master));
    expect_signal(leader, SIGHUP);
    say("session leader %d was hung up", (int)leader);
    return 0;
}
