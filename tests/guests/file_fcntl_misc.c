/* fcntl: duplicates, flags, pipe size, owner and signal, seals, hints. */
#include "guest.h"

#ifndef F_SET_RW_HINT
#define F_GET_RW_HINT 1035
#define F_SET_RW_HINT 1036
#endif

int main(void) {
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    CHECK_EQ(fcntl(fd, F_DUPFD, 50), 50);
    CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 60), 60);
    CHECK_EQ(fcntl(60, F_GETFD), FD_CLOEXEC);
    OK(fcntl(60, F_SETFD, 0));
    CHECK_EQ(fcntl(60, F_GETFD), 0);
    FAILS(fcntl(fd, F_DUPFD, -1), EINVAL);
    int flags = OK(fcntl(fd, F_GETFL));
    say("flags %#x", flags);
    OK(fcntl(fd, F_SETFL, flags | O_APPEND | O_NONBLOCK));
    CHECK((fcntl(50, F_GETFL) & (O_APPEND | O_NONBLOCK)) == (O_APPEND | O_NONBLOCK));

    int p[2];
    OK(pipe(p));
    int size = OK(fcntl(p[0], F_GETPIPE_SZ));
    int bigger = OK(fcntl(p[1], F_SETPIPE_SZ, 8192));
    CHECK_EQ(fcntl(p[0], F_GETPIPE_SZ), bigger);
    say("pipe size %d then %d", size, bigger);
    OK(fcntl(p[0], F_SETOWN, getpid()));
    CHECK_EQ(fcntl(p[0], F_GETOWN), getpid());
    OK(fcntl(p[0], F_SETSIG, SIGUSR2));
    CHECK_EQ(fcntl(p[0], F_GETSIG), SIGUSR2);
    struct f_owner_ex owner = {F_OWNER_TID, getpid()}, got;
    OK(fcntl(p[0], F_SETOWN_EX, &owner));
    OK(fcntl(p[0], F_GETOWN_EX, &got));
    CHECK(got.type == F_OWNER_TID && got.pid == getpid());

    int m = OK(memfd_create("sealed", MFD_ALLOW_SEALING));
    OK(ftruncate(m, 100));
    OK(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE));
    CHECK_EQ(fcntl(m, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_WRITE);
    FAILS(write(m, "x", 1), EPERM);
    FAILS(ftruncate(m, 50), EPERM);
    OK(ftruncate(m, 200));
    uint64_t hint = 2;
    int r = fcntl(fd, F_SET_RW_HINT, &hint);
    hint = 0;
    if (r == 0)
        OK(fcntl(fd, F_GET_RW_HINT, &hint));
    say("write hint %d %lu", r, (unsigned long)hint);
    FAILS(fcntl(fd, 9999, 0), EINVAL);
    FAILS(fcntl(99, F_GETFD), EBADF);
    return 0;
}
