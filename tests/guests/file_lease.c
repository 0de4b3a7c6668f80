/* File leases: the holder gets SIGIO when another opener breaks the lease. */
#include "guest.h"

static volatile sig_atomic_t broken;
static void on_break(int s, siginfo_t *info, void *context) {
    (void)s, (void)context;
    broken = info->si_fd + 1;
}

int main(void) {
    make_file("leased", "data", 4);
    handle(SIGRTMIN + 3, on_break, 0);
    int fd = OK(open("leased", O_RDONLY));
    if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0) {
        CHECK(errno == EAGAIN || errno == EINVAL || errno == EACCES);
        say("no leases here: %d", errno);
        return 0;
    }
    CHECK_EQ(fcntl(fd, F_GETLEASE), F_RDLCK);
    OK(fcntl(fd, F_SETSIG, SIGRTMIN + 3));
    pid_t pid = OK(fork());
    if (pid == 0) {
        FAILS(open("leased", O_WRONLY | O_NONBLOCK), EWOULDBLOCK);
        int w = OK(open("leased", O_WRONLY));
        say("child opened for writing");
        OK(close(w));
        _exit(0);
    }
    while (!broken)
        sleep_ms(1);
    CHECK_EQ(broken, fd + 1);
    say("lease on %d is being broken", broken - 1);
    OK(fcntl(fd, F_SETLEASE, F_UNLCK));
    expect_exit(pid, 0);
    CHECK_EQ(fcntl(fd, F_GETLEASE), F_UNLCK);
    return 0;
}
