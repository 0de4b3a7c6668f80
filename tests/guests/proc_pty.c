/* A pseudo terminal: modes, echo, line editing, window size, control characters, hang-up. */
#include "guest.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static volatile sig_atomic_t resized;
static void on_resize(int s) {
    (void)s;
    resized++;
}

int main(void) {
    int master = OK(posix_openpt(O_RDWR | O_NOCTTY));
    OK(grantpt(master));
    OK(unlockpt(master));
    char name[64];
    ZERO(ptsname_r(master, name, sizeof name));
    unsigned number;
    OK(ioctl(master, TIOCGPTN, &number));
    say("%s is number %u", name, number);
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(setsid());
        int slave = OK(open(name, O_RDWR));
        OK(ioctl(slave, TIOCSCTTY, 0));
        CHECK(isatty(slave));
        CHECK_EQ(tcgetpgrp(slave), getpgrp());
        CHECK_EQ(tcgetsid(slave), getpid());
        int tty = OK(open("/dev/tty", O_RDWR));
        struct termios t;
        OK(tcgetattr(tty, &t));
        CHECK((t.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG));
        struct winsize w;
        signal(SIGWINCH, on_resize);
        write_all(slave, "ready\n", 6);
        char line[100] = {0};
        CHECK_EQ(read(slave, line, sizeof line), 6);
        CHECK(strcmp(line, "hello\n") == 0);
        while (!resized)
            sleep_ms(1);
        OK(ioctl(slave, TIOCGWINSZ, &w));
        CHECK(w.ws_row == 33 && w.ws_col == 99);
        t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        t.c_cc[VMIN] = 1;
        OK(tcsetattr(slave, TCSADRAIN, &t));
        write_all(slave, "raw\n", 4);
        CHECK_EQ(read(slave, line, 1), 1);
        CHECK(line[0] == 'k');
        write_all(slave, "interrupt me\n", 13);
        for (;;)
            pause();
    }
    char text[200];
    size_t n = 0;
    while (!memmem(text, n, "ready\r\n", 7))
        n += (size_t)OK(read(master, text + n, sizeof text - n));
    /* A mistyped word corrected by the erase character. */
    write_all(master, "helxo\177\177lo\n", 10);
    struct winsize size = {33, 99, 0, 0};
    OK(ioctl(master, TIOCSWINSZ, &size));
    while (!memmem(text, n, "raw\r\n", 5))
        n += (size_t)OK(read(master, text + n, sizeof text - n));
    say("echoed %016lx in %zu bytes", (unsigned long)hash(text, n), n);
    write_all(master, "k", 1);
    while (!memmem(text, n, "interrupt me\r\n", 14))
        n += (size_t)OK(read(master, text + n, sizeof text - n));
    write_all(master, "\003", 1);
    expect_signal(pid, SIGINT);
    /* Nobody has the other side open any more. */
    n = 0;
    ssize_t r;
    while ((r = read(master, text, sizeof text)) > 0)
        n += (size_t)r;
    CHECK(r == -1 && errno == EIO);
    say("hung up after %zu more bytes", n);
    return 0;
}
