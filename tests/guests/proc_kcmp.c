/* kcmp, process_mrelease, and other calls that name a second process. */
#include "guest.h"
#include <linux/kcmp.h>

int main(void) {
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600)), copy = OK(dup(fd)), other = OK(open("f", O_RDWR));
    long same = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, fd, copy);
    if (same < 0) {
        CHECK(errno == ENOSYS || errno == EPERM);
        say("no kcmp: %d", errno);
        return 0;
    }
    CHECK_EQ(same, 0);
    long order = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, fd, other);
    CHECK(order == 1 || order == 2);
    say("order %ld", order);
    pid_t pid = OK(fork());
    if (pid == 0)
        for (;;)
            pause();
    long vm = syscall(SYS_kcmp, getpid(), pid, KCMP_VM, 0, 0);
    CHECK(vm != 0);
    CHECK_EQ(syscall(SYS_kcmp, getpid(), pid, KCMP_FILE, fd, fd), 0);
    OK(kill(pid, SIGKILL));
    expect_signal(pid, SIGKILL);
    return 0;
}
