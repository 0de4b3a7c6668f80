/* Descriptors opened for reading, used in every order before anybody has asked what they are: files, directories,
 * devices, named pipes; closed, duplicated over, given to a child. */
#include "guest.h"
#include <dirent.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum { ROUNDS = 12 };

/* One place each, so that it is met often enough. */
__attribute__((noinline)) static int opens(const char *path, int flags) {
    return open(path, flags);
}

__attribute__((noinline)) static ssize_t reads(int fd, void *to, size_t size) {
    return read(fd, to, size);
}

__attribute__((noinline)) static int closes(int fd) {
    return close(fd);
}

__attribute__((noinline)) static int asks(int fd, struct stat *to) {
    return fstat(fd, to);
}

__attribute__((noinline)) static long asks_by_number(int fd, struct stat *to) {
    return syscall(SYS_fstat, fd, to);
}

static void known(int how, const char *path, int reads_there) {
    char bytes[64] = "";
    struct stat about;
    for (int i = 0; i < ROUNDS; i++) {
        int fd = OK(opens(path, O_RDONLY | O_NONBLOCK));
        if (how == 1)
            OK(asks(fd, &about));
        if (how == 2)
            OK(asks_by_number(fd, &about));
        if (how == 3)
            OK(lseek(fd, 0, SEEK_CUR) < 0 ? 0 : 0);
        ssize_t n = reads(fd, bytes, sizeof bytes);
        CHECK_EQ(n, reads_there);
        OK(closes(fd));
        FAILS(reads(fd, bytes, 1), EBADF);
    }
    say("%d %s", how, path);
}

static void others(void) {
    char bytes[8];
    int s[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    for (int i = 0; i < ROUNDS; i++) {
        int fd = OK(opens("plain", O_RDONLY)), other = OK(opens("plain", O_RDONLY));
        /* It becomes another one, which waits. */
        OK(dup2(s[0], other));
        pid_t pid = OK(fork());
        if (pid == 0) {
            usleep(1000);
            CHECK_EQ(reads(fd, bytes, 3), 3);
            CHECK_EQ(write(s[1], bytes, 3), 3);
            _exit(0);
        }
        CHECK_EQ(reads(other, bytes, sizeof bytes), 3);
        CHECK(memcmp(bytes, "pla", 3) == 0);
        expect_exit(pid, 0);
        /* The child has moved on in the file. */
        CHECK_EQ(sendfile(s[0], fd, NULL, 2), 2);
        CHECK_EQ(reads(s[1], bytes, sizeof bytes), 2);
        CHECK(memcmp(bytes, "in", 2) == 0);
        OK(closes(fd));
        OK(closes(other));
    }
    for (int i = 0; i < ROUNDS; i++) {
        DIR *dir = opendir("sub");
        CHECK(dir != NULL);
        int n = 0;
        while (readdir(dir))
            n++;
        CHECK_EQ(n, 3);
        OK(closedir(dir));
    }
    /* The end of a named pipe tells the other one. */
    for (int i = 0; i < ROUNDS; i++) {
        int reader = OK(opens("fifo", O_RDONLY | O_NONBLOCK)), writer = OK(opens("fifo", O_WRONLY));
        CHECK_EQ(write(writer, "abc", 3), 3);
        CHECK_EQ(reads(reader, bytes, 2), 2);
        OK(closes(reader));
        FAILS(write(writer, "abc", 3), EPIPE);
        OK(closes(writer));
    }
    say("others");
}

int main(void) {
    int fd = OK(open("plain", O_RDWR | O_CREAT, 0600));
    CHECK_EQ(write(fd, "plain file\n", 11), 11);
    OK(close(fd));
    OK(mkdir("sub", 0700));
    OK(close(OK(open("sub/one", O_WRONLY | O_CREAT, 0600))));
    OK(mkfifo("fifo", 0600));
    signal(SIGPIPE, SIG_IGN);
    for (int how = 0; how < 4; how++) {
        known(how, "plain", 11);
        known(how, "/dev/null", 0);
        known(how, "/dev/zero", 64);
        known(how, "sub", -1);
        known(how, "fifo", 0);
        known(how, "/proc/self/stat", 64);
    }
    others();
    return 0;
}
