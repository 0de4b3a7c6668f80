/* After fork each side has its own memory, descriptors share offsets, and locks are not inherited. */
#include "guest.h"

static int global = 1;

int main(void) {
    int local = 2, *heap = malloc(sizeof *heap);
    *heap = 3;
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    int p[2];
    OK(pipe(p));
    pid_t parent = getpid();
    pid_t pid = OK(fork());
    if (pid == 0) {
        CHECK(getppid() == parent && getpid() != parent);
        global = 10, local = 20, *heap = 30;
        write_all(fd, "child", 5);
        OK(close(fd));
        write_all(p[1], "x", 1);
        say("child %d %d %d", global, local, *heap);
        _exit(global + local + *heap);
    }
    char c;
    read_exactly(p[0], &c, 1);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
    write_all(fd, "parent", 6);
    expect_exit(pid, 60);
    CHECK(global == 1 && local == 2 && *heap == 3);
    char text[20] = {0};
    CHECK_EQ(pread(fd, text, sizeof text, 0), 11);
    CHECK(strcmp(text, "childparent") == 0);
    say("parent %d of %d", (int)parent, (int)pid);
    return 0;
}
