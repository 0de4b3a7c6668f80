/* Record locks by fcntl: conflict, query, waiting, deadlock, and open-file-description locks. */
#include "guest.h"

static struct flock range(short type, off_t start, off_t length) {
    struct flock l;
    memset(&l, 0, sizeof l);
    l.l_type = type;
    l.l_whence = SEEK_SET;
    l.l_start = start;
    l.l_len = length;
    return l;
}

/* Waits until a process is in the queue for a lock: that it sleeps could be for another reason. */
static void until_it_waits(pid_t pid) {
    char text[65536], line[64];
    snprintf(line, sizeof line, "-> POSIX  ADVISORY  WRITE %d ", (int)pid);
    for (;;) {
        int fd = OK(open("/proc/locks", O_RDONLY | O_CLOEXEC));
        text[read_to_end(fd, text, sizeof text - 1)] = 0;
        OK(close(fd));
        if (strstr(text, line) != NULL)
            return;
        sleep_ms(1);
    }
}

int main(void) {
    char data[100] = {0};
    make_file("db", data, sizeof data);
    int fd = OK(open("db", O_RDWR));
    struct flock l = range(F_WRLCK, 0, 10);
    OK(fcntl(fd, F_SETLK, &l));
    int to_child[2], to_parent[2];
    OK(pipe(to_child));
    OK(pipe(to_parent));
    pid_t parent = getpid();
    pid_t pid = OK(fork());
    if (pid == 0) {
        char c;
        l = range(F_RDLCK, 5, 20);
        FAILS(fcntl(fd, F_SETLK, &l), EAGAIN);
        OK(fcntl(fd, F_GETLK, &l));
        CHECK(l.l_type == F_WRLCK && l.l_start == 0 && l.l_len == 10 && l.l_pid == parent);
        say("held by %d", (int)l.l_pid);
        l = range(F_WRLCK, 50, 10);
        OK(fcntl(fd, F_SETLK, &l));
        write_all(to_parent[1], "a", 1);
        l = range(F_WRLCK, 0, 10);
        int r = fcntl(fd, F_SETLKW, &l);
        say("child got it: %d", r);
        CHECK_EQ(r, 0);
        read_exactly(to_child[0], &c, 1);
        _exit(0);
    }
    char c;
    read_exactly(to_parent[0], &c, 1);
    until_it_waits(pid);
    /* The child waits for ours, so waiting for its lock would never end. */
    l = range(F_WRLCK, 50, 1);
    FAILS(fcntl(fd, F_SETLKW, &l), EDEADLK);
    l = range(F_UNLCK, 0, 0);
    OK(fcntl(fd, F_SETLK, &l));
    l = range(F_WRLCK, 50, 1);
    OK(fcntl(fd, F_GETLK, &l));
    CHECK_EQ(l.l_pid, pid);
    write_all(to_child[1], "b", 1);
    expect_exit(pid, 0);
    l = range(F_WRLCK, 50, 1);
    OK(fcntl(fd, F_SETLK, &l));

    int first = OK(open("db", O_RDWR)), second = OK(open("db", O_RDWR));
    l = range(F_WRLCK, 60, 10);
    OK(fcntl(first, F_OFD_SETLK, &l));
    l = range(F_WRLCK, 65, 1);
    FAILS(fcntl(second, F_OFD_SETLK, &l), EAGAIN);
    OK(fcntl(second, F_OFD_GETLK, &l));
    CHECK(l.l_type == F_WRLCK && l.l_pid == -1 && l.l_start == 60);
    OK(close(first));
    l = range(F_WRLCK, 65, 1);
    OK(fcntl(second, F_OFD_SETLKW, &l));
    OK(lseek(second, 0, SEEK_SET));
    OK(lockf(second, F_LOCK, 5));
    OK(lockf(second, F_ULOCK, 5));
    return 0;
}
