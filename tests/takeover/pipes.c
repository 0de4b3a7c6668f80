/* Pipes and a fifo with bytes left inside for long, also by writers that are gone. */
#include "../guests/guest.h"
#include <sys/ioctl.h>

static void pass(int from, int to) {
    char bytes[1000];
    for (ssize_t n; (n = OK(read(from, bytes, sizeof bytes))) > 0;)
        CHECK_EQ(write(to, bytes, (size_t)n), n);
}

int main(void) {
    int early[2], one[2], two[2];
    OK(pipe(early));
    OK(write(early[1], "left inside", 11));
    OK(close(early[1]));
    OK(pipe2(one, O_CLOEXEC));
    OK(pipe2(two, O_CLOEXEC));
    pid_t middle = OK(fork());
    if (middle == 0) {
        OK(close(one[1]));
        OK(close(two[0]));
        pass(one[0], two[1]);
        _exit(0);
    }
    OK(close(one[0]));
    OK(close(two[1]));
    pid_t source = OK(fork());
    if (source == 0) {
        OK(close(two[0]));
        static char bytes[100000];
        fill(bytes, sizeof bytes, 5);
        for (size_t done = 0; done < sizeof bytes;)
            done += (size_t)OK(write(one[1], bytes + done, sizeof bytes - done));
        _exit(0);
    }
    OK(close(one[1]));
    int file = OK(open("passed", O_CREAT | O_WRONLY, 0644));
    pass(two[0], file);
    expect_exit(source, 0);
    expect_exit(middle, 0);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 100000);
    OK(mkfifo("fifo", 0600));
    pid_t writer = OK(fork());
    if (writer == 0) {
        int fifo = OK(open("fifo", O_WRONLY));
        OK(write(fifo, "through the fifo", 16));
        _exit(0);
    }
    int fifo = OK(open("fifo", O_RDONLY));
    expect_exit(writer, 0);
    char bytes[64];
    CHECK_EQ(read(fifo, bytes, 7), 7);
    CHECK_EQ(read(fifo, bytes, sizeof bytes), 9);
    CHECK_EQ(read(fifo, bytes, sizeof bytes), 0);
    int inside = 0;
    OK(ioctl(early[0], FIONREAD, &inside));
    CHECK_EQ(inside, 11);
    CHECK_EQ(read(early[0], bytes, 4), 4);
    CHECK(memcmp(bytes, "left", 4) == 0);
    CHECK_EQ(read(early[0], bytes, sizeof bytes), 7);
    CHECK_EQ(read(early[0], bytes, sizeof bytes), 0);
    say("all passed");
    return 0;
}
