/* Locks on files that are held for long, by this process and by another: flock, records of a process
 * and of an open file, leases of a name, waiting for them. */
#include "../guests/guest.h"
#include <sys/file.h>

static struct flock range(short type, off_t start, off_t length) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}

static void holder(int go) {
    char byte;
    int file = OK(open("file", O_RDWR));
    struct flock part = range(F_WRLCK, 100, 50);
    OK(fcntl(file, F_SETLK, &part));
    part = range(F_RDLCK, 200, 0);
    OK(fcntl(file, F_SETLK, &part));
    int whole = OK(open("whole", O_RDWR));
    OK(flock(whole, LOCK_EX));
    int open_file = OK(open("open", O_RDWR));
    part = range(F_WRLCK, 10, 10);
    OK(fcntl(open_file, F_OFD_SETLK, &part));
    say("held");
    CHECK_EQ(read(go, &byte, 1), 1);
    part = range(F_UNLCK, 120, 10);
    OK(fcntl(file, F_SETLK, &part));
    CHECK_EQ(read(go, &byte, 1), 0);
    _exit(0);
}

int main(void) {
    const char *names[] = {"file", "whole", "open"};
    int files[3], go[2];
    for (int i = 0; i < 3; i++)
        files[i] = OK(open(names[i], O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    OK(pipe(go));
    pid_t child = OK(fork());
    if (child == 0) {
        OK(close(go[1]));
        holder(go[0]);
    }
    struct flock part;
    do {
        usleep(1000);
        part = range(F_WRLCK, 15, 1);
        OK(fcntl(files[2], F_OFD_GETLK, &part));
    } while (part.l_type == F_UNLCK);
    CHECK_EQ(part.l_start, 10);
    FAILS(flock(files[1], LOCK_SH | LOCK_NB), EWOULDBLOCK);
    part = range(F_RDLCK, 0, 0);
    OK(fcntl(files[0], F_GETLK, &part));
    CHECK_EQ(part.l_pid, child);
    CHECK_EQ(part.l_start, 100);
    part = range(F_WRLCK, 0, 100);
    OK(fcntl(files[0], F_SETLK, &part));
    write_all(go[1], "x", 1);
    part = range(F_WRLCK, 122, 3);
    OK(fcntl(files[0], F_SETLKW, &part));
    part = range(F_WRLCK, 130, 1);
    FAILS(fcntl(files[0], F_SETLK, &part), EAGAIN);
    part = range(F_RDLCK, 300, 1);
    OK(fcntl(files[0], F_SETLK, &part));
    usleep(1000);
    pid_t other = OK(fork());
    if (other == 0) {
        part = range(F_RDLCK, 0, 1);
        OK(fcntl(files[0], F_GETLK, &part));
        CHECK(part.l_type == F_WRLCK && part.l_pid == getppid() && part.l_len == 100);
        _exit(0);
    }
    expect_exit(other, 0);
    OK(close(go[1]));
    OK(flock(files[1], LOCK_EX));
    expect_exit(child, 0);
    part = range(F_WRLCK, 0, 0);
    OK(fcntl(files[0], F_SETLK, &part));
    OK(fcntl(files[2], F_OFD_SETLKW, &part));
    say("mine");
    return 0;
}
