/* pidfd_open, pidfd_send_signal, pidfd_getfd, waitid(P_PIDFD), polling a pidfd. */
#include "guest.h"
#include <poll.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int main(void) {
    int hold[2];
    OK(pipe(hold));
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(close(hold[1]));
        char c;
        for (;;)
            if (read(hold[0], &c, 1) == 0)
                _exit(3);
    }
    int fd = OK(syscall(SYS_pidfd_open, pid, 0));
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    struct pollfd p = {fd, POLLIN, 0};
    CHECK_EQ(poll(&p, 1, 0), 0);
    int file = OK(open("f", O_RDWR | O_CREAT, 0600));
    write_all(file, "hello", 5);
    OK(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    long copy = syscall(SYS_pidfd_getfd, fd, hold[0], 0);
    say("pidfd %d, getfd %ld", fd, copy < 0 ? -(long)errno : copy);
    OK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    CHECK_EQ(poll(&p, 1, -1), 1);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    OK(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED));
    CHECK(info.si_pid == pid && info.si_code == CLD_KILLED && info.si_status == SIGTERM);
    FAILS(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
    FAILS(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
    FAILS(syscall(SYS_pidfd_open, pid, 0), ESRCH);
    int self = OK(syscall(SYS_pidfd_open, getpid(), 0));
    long dup_of = syscall(SYS_pidfd_getfd, self, file, 0);
    if (dup_of >= 0) {
        char text[8];
        CHECK_EQ(pread((int)dup_of, text, 8, 0), 5);
    } else {
        CHECK(errno == EPERM || errno == ENOSYS);
    }
    say("child was %d", (int)pid);
    return 0;
}
