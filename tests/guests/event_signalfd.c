/* signalfd: blocked signals are read as records with sender and value. */
#include "guest.h"
#include <sys/signalfd.h>

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGRTMIN);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    int fd = OK(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    struct signalfd_siginfo info[4];
    FAILS(read(fd, info, sizeof info), EAGAIN);
    OK(raise(SIGUSR1));
    union sigval v = {.sival_int = 77};
    OK(sigqueue(getpid(), SIGRTMIN, v));
    v.sival_int = 78;
    OK(sigqueue(getpid(), SIGRTMIN, v));
    CHECK_EQ(read(fd, info, sizeof info), 3 * sizeof info[0]);
    CHECK(info[0].ssi_signo == SIGUSR1 && (pid_t)info[0].ssi_pid == getpid());
    CHECK(info[1].ssi_int == 77 && info[2].ssi_int == 78);
    pid_t pid = OK(fork());
    if (pid == 0)
        _exit(9);
    OK(fcntl(fd, F_SETFL, 0));
    CHECK_EQ(read(fd, info, sizeof info[0]), sizeof info[0]);
    CHECK(info[0].ssi_signo == SIGCHLD && (pid_t)info[0].ssi_pid == pid && info[0].ssi_status == 9);
    say("child %u of uid %u ended, utime %lu stime %lu", info[0].ssi_pid, info[0].ssi_uid,
        (unsigned long)info[0].ssi_utime, (unsigned long)info[0].ssi_stime);
    expect_exit(pid, 9);
    sigdelset(&set, SIGUSR1);
    CHECK_EQ(signalfd(fd, &set, 0), fd);
    FAILS(read(fd, info, 4), EINVAL);
    return 0;
}
