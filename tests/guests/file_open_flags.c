/* open, creat, openat, openat2: creation, exclusion, truncation, append, directories, links, O_PATH. */
#include "guest.h"
#include <linux/openat2.h>

int main(void) {
    int fd = OK(creat("a", 0640));
    CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
    write_all(fd, "hello", 5);
    OK(close(fd));
    FAILS(open("a", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    FAILS(open("missing", O_RDONLY), ENOENT);
    FAILS(open("a/b", O_RDONLY), ENOTDIR);
    FAILS(open("a", O_RDONLY | O_DIRECTORY), ENOTDIR);
    FAILS(open(".", O_WRONLY), EISDIR);

    fd = OK(open("a", O_WRONLY | O_APPEND));
    write_all(fd, " world", 6);
    OK(close(fd));
    char text[32] = {0};
    fd = OK(open("a", O_RDONLY | O_CLOEXEC));
    CHECK_EQ(read(fd, text, sizeof text), 11);
    CHECK(strcmp(text, "hello world") == 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    FAILS(write(fd, "x", 1), EBADF);
    OK(close(fd));
    fd = OK(open("a", O_RDWR | O_TRUNC));
    CHECK_EQ(read(fd, text, sizeof text), 0);
    OK(close(fd));

    OK(mkdir("d", 0755));
    int dir = OK(open("d", O_RDONLY | O_DIRECTORY));
    fd = OK(openat(dir, "in", O_RDWR | O_CREAT, 0600));
    write_all(fd, "inside", 6);
    OK(close(fd));
    OK(symlink("in", "d/link"));
    FAILS(openat(dir, "link", O_RDONLY | O_NOFOLLOW), ELOOP);
    fd = OK(openat(dir, "link", O_RDONLY | O_NOATIME));
    CHECK_EQ(read(fd, text, sizeof text), 6);
    OK(close(fd));

    int path = OK(openat(dir, "in", O_PATH));
    FAILS(read(path, text, 1), EBADF);
    struct stat st;
    OK(fstat(path, &st));
    CHECK_EQ(st.st_size, 6);
    say("inode %lu", (unsigned long)st.st_ino);
    char proc[64];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", path);
    fd = OK(open(proc, O_RDONLY));
    CHECK_EQ(read(fd, text, sizeof text), 6);
    OK(close(fd));

    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    fd = OK(syscall(SYS_openat2, dir, "in", &how, sizeof how));
    say("openat2 gave fd %d", fd);
    OK(close(fd));
    FAILS(syscall(SYS_openat2, dir, "../a", &how, sizeof how), EXDEV);
    how.resolve = RESOLVE_NO_SYMLINKS;
    FAILS(syscall(SYS_openat2, dir, "link", &how, sizeof how), ELOOP);
    FAILS(syscall(SYS_openat2, dir, "in", &how, 3), EINVAL);
    char long_name[300];
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    FAILS(open(long_name, O_RDONLY), ENAMETOOLONG);
    FAILS(open((const char *)1, O_RDONLY), EFAULT);
    say("dir fd %d path fd %d", dir, path);
    return 0;
}
