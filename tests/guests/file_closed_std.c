/* Descriptors 0 to 2 closed and reused: a file may get number 1, and output goes there. */
#include "guest.h"

int main(void) {
    int keep = OK(fcntl(1, F_DUPFD_CLOEXEC, 100));
    OK(close(0));
    OK(close(1));
    CHECK_EQ(OK(open("zero", O_RDWR | O_CREAT, 0600)), 0);
    CHECK_EQ(OK(open("one", O_RDWR | O_CREAT, 0600)), 1);
    say("this goes into a file");
    char text[64] = {0};
    CHECK_EQ(pread(1, text, sizeof text, 0), 22);
    CHECK(strcmp(text, "this goes into a file\n") == 0);
    CHECK_EQ(dup2(keep, 1), 1);
    say("this goes to the old standard output");
    int second = OK(dup(1));
    write_all(second, "through a duplicate\n", 20);
    int fd = OK(open("/proc/self/fd/1", O_WRONLY | O_APPEND));
    write_all(fd, "through a reopened one\n", 23);
    say("fds %d %d %d", keep, second, fd);
    return 0;
}
