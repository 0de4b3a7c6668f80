/* A named pipe: open blocks until the other side opens, then data flows between processes. */
#include "guest.h"

int main(void) {
    OK(mkfifo("p", 0600));
    FAILS(open("p", O_WRONLY | O_NONBLOCK), ENXIO);
    FAILS(mkfifo("p", 0600), EEXIST);
    pid_t pid = OK(fork());
    if (pid == 0) {
        int fd = OK(open("p", O_WRONLY));
        for (int i = 0; i < 5; i++) {
            dprintf(fd, "message %d from %d\n", i, (int)getpid());
            sleep_ms(1);
        }
        _exit(0);
    }
    int fd = OK(open("p", O_RDONLY));
    char text[4096];
    size_t n = read_to_end(fd, text, sizeof text - 1);
    text[n] = 0;
    say("%s", text);
    CHECK(strstr(text, "message 4"));
    expect_exit(pid, 0);
    OK(close(fd));
    fd = OK(open("p", O_RDWR));
    write_all(fd, "self", 4);
    CHECK_EQ(read(fd, text, sizeof text), 4);
    return 0;
}
