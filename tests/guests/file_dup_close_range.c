/* dup, dup2, dup3, close_range, and descriptor numbers that are always the lowest free. */
#include "guest.h"
#include <linux/close_range.h>
#include <sys/resource.h>

int main(void) {
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    int copy = OK(dup(fd));
    CHECK_EQ(copy, fd + 1);
    write_all(fd, "abc", 3);
    CHECK_EQ(lseek(copy, 0, SEEK_CUR), 3);
    CHECK_EQ(dup2(fd, 20), 20);
    CHECK_EQ(dup2(fd, fd), fd);
    CHECK_EQ(dup3(fd, 21, O_CLOEXEC), 21);
    CHECK_EQ(fcntl(21, F_GETFD), FD_CLOEXEC);
    FAILS(dup3(fd, fd, 0), EINVAL);
    FAILS(dup(99), EBADF);
    FAILS(dup2(99, 5), EBADF);
    OK(close(copy));
    CHECK_EQ(OK(open("f", O_RDONLY)), copy);
    for (int i = 30; i < 40; i++)
        CHECK_EQ(dup2(fd, i), i);
    long r = syscall(SYS_close_range, 32u, 35u, 0u);
    say("close_range %ld", r);
    if (r == 0) {
        FAILS(fcntl(32, F_GETFD), EBADF);
        FAILS(fcntl(35, F_GETFD), EBADF);
        OK(fcntl(36, F_GETFD));
        OK(syscall(SYS_close_range, 36u, ~0u, CLOSE_RANGE_CLOEXEC));
        CHECK_EQ(fcntl(36, F_GETFD), FD_CLOEXEC);
    }
    FAILS(close(99), EBADF);
    struct rlimit limit;
    OK(getrlimit(RLIMIT_NOFILE, &limit));
    struct rlimit low = {45, limit.rlim_max};
    OK(setrlimit(RLIMIT_NOFILE, &low));
    int last = -1, n;
    while ((n = dup(fd)) >= 0)
        last = n;
    CHECK(errno == EMFILE && last == 44);
    say("last descriptor %d", last);
    return 0;
}
