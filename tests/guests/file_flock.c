/* flock between processes: a blocked exclusive lock is granted when the holder closes. */
#include "guest.h"
#include <sys/file.h>

int main(void) {
    make_file("lock", "", 0);
    int fd = OK(open("lock", O_RDWR));
    OK(flock(fd, LOCK_EX));
    int other = OK(open("lock", O_RDWR));
    FAILS(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    int ready[2];
    OK(pipe(ready));
    pid_t pid = OK(fork());
    if (pid == 0) {
        int mine = OK(open("lock", O_RDWR));
        OK(close(fd));
        FAILS(flock(mine, LOCK_EX | LOCK_NB), EWOULDBLOCK);
        write_all(ready[1], "r", 1);
        uint64_t t = now_ns();
        OK(flock(mine, LOCK_EX));
        say("child waited %lu ns", (unsigned long)(now_ns() - t));
        OK(flock(mine, LOCK_UN));
        _exit(0);
    }
    char c;
    read_exactly(ready[0], &c, 1);
    sleep_ms(20);
    say("parent lets go");
    OK(flock(fd, LOCK_UN));
    expect_exit(pid, 0);
    OK(flock(fd, LOCK_SH));
    OK(flock(other, LOCK_SH));
    OK(flock(fd, LOCK_UN));
    OK(flock(other, LOCK_EX | LOCK_NB));
    FAILS(flock(99, LOCK_SH), EBADF);
    return 0;
}
