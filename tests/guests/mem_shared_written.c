/* All the ways in which a file that is mapped shared gets new content by a system call. */
#include "guest.h"
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#ifndef RWF_APPEND
#define RWF_APPEND 0x10
#endif

static char *map;
static void shows(const char *text, size_t at) {
    if (memcmp(map + at, text, strlen(text)) != 0) {
        dprintf(2, "at %zu: %.20s instead of %s\n", at, map + at, text);
        CHECK(0);
    }
}

int main(void) {
    static char zeros[8 * 4096];
    make_file("f", zeros, sizeof zeros);
    make_file("source", "from a source file", 18);
    int fd = OK(open("f", O_RDWR)), source = OK(open("source", O_RDONLY));
    map = OK(mmap(NULL, 2 * sizeof zeros, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    struct iovec v[2] = {{(void *)(uintptr_t)"one", 3}, {(void *)(uintptr_t)"two", 3}};
    CHECK_EQ(pwritev(fd, v, 2, 10), 6);
    shows("onetwo", 10);
    CHECK_EQ(pwritev2(fd, v, 2, 50, RWF_DSYNC), 6);
    shows("onetwo", 50);
    OK(lseek(fd, 70, SEEK_SET));
    CHECK_EQ(pwritev2(fd, v, 2, -1, 0), 6);
    shows("onetwo", 70);
    CHECK_EQ(writev(fd, v, 2), 6);
    shows("onetwo", 76);
    /* Another descriptor, another name, another path to it. */
    OK(link("f", "hard"));
    OK(symlink("f", "soft"));
    int hard = OK(open("hard", O_WRONLY)), soft = OK(open("soft", O_WRONLY));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = OK(open(path, O_WRONLY));
    CHECK_EQ(pwrite(hard, "hard", 4, 100), 4);
    CHECK_EQ(pwrite(soft, "soft", 4, 110), 4);
    CHECK_EQ(pwrite(again, "again", 5, 120), 5);
    shows("hard", 100), shows("soft", 110), shows("again", 120);
    /* Whatever offset is asked for, appended is appended. */
    int append = OK(open("f", O_WRONLY | O_APPEND));
    CHECK_EQ(write(append, "appended", 8), 8);
    shows("appended", sizeof zeros);
    CHECK_EQ(pwrite(append, "anywhere", 8, 200), 8);
    shows("anywhere", sizeof zeros + 8);
    CHECK_EQ(pwritev2(fd, v, 2, 300, RWF_APPEND), 6);
    shows("onetwo", sizeof zeros + 16);
    /* Without the program's memory. */
    OK(lseek(fd, 400, SEEK_SET));
    off_t from = 5;
    CHECK_EQ(sendfile(fd, source, &from, 6), 6);
    shows("a sour", 400);
    loff_t in = 0, to = 450;
    CHECK_EQ(copy_file_range(source, &in, fd, &to, 18, 0), 18);
    shows("from a source file", 450);
    int p[2];
    OK(pipe(p));
    write_all(p[1], "spliced", 7);
    to = 500;
    CHECK_EQ(splice(p[0], NULL, fd, &to, 7, 0), 7);
    shows("spliced", 500);
    /* Through a child, which does not map it, and a descriptor it got. */
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(munmap(map, 2 * sizeof zeros));
        int own = OK(open("f", O_WRONLY));
        CHECK_EQ(pwrite(own, "by a child", 10, 600), 10);
        _exit(0);
    }
    expect_exit(pid, 0);
    shows("by a child", 600);
    /* Holes and lengths. */
    memset(map + PAGE, 'h', PAGE);
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)PAGE, (off_t)PAGE) == 0)
        CHECK(map[PAGE] == 0 && map[2 * PAGE - 1] == 0);
    memset(map + PAGE, 'z', PAGE);
    if (fallocate(fd, FALLOC_FL_ZERO_RANGE, (off_t)PAGE, 100) == 0)
        CHECK(map[PAGE] == 0 && map[PAGE + 99] == 0 && map[PAGE + 100] == 'z');
    OK(truncate("hard", 10));
    OK(truncate("soft", (off_t)sizeof zeros));
    shows("", 0);
    CHECK(map[10] == 0 && map[600] == 0 && map[PAGE + 200] == 0);
    CHECK_EQ(pwrite(fd, "x", 1, 3), 1);
    close(OK(open("f", O_WRONLY | O_TRUNC)));
    OK(ftruncate(fd, (off_t)sizeof zeros));
    CHECK(map[3] == 0);
    /* Data read from a socket straight into the map, and written from there. */
    int pair[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    write_all(pair[0], "received", 8);
    CHECK_EQ(recv(pair[1], map + 700, 8, 0), 8);
    char back[8];
    CHECK_EQ(pread(fd, back, 8, 700), 8);
    CHECK(memcmp(back, "received", 8) == 0);
    CHECK_EQ(pwrite(fd, map + 700, 8, 800), 8);
    shows("received", 800);
    say("all %016lx at %p", (unsigned long)hash(map, sizeof zeros), (void *)map);
    return 0;
}
