/* Two megabytes through a pipe between processes, with the reader slower and faster in turns. */
#include "guest.h"

int main(void) {
    enum { SIZE = 2 << 20 };
    char *data = malloc(SIZE);
    CHECK(data);
    fill(data, SIZE, 21);
    int p[2];
    OK(pipe(p));
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(close(p[0]));
        size_t at = 0, step = 1;
        while (at < SIZE) {
            size_t n = step < SIZE - at ? step : SIZE - at;
            write_all(p[1], data + at, n);
            at += n;
            step = step * 3 % 70001 + 1000;
        }
        _exit(0);
    }
    OK(close(p[1]));
    char *back = malloc(SIZE);
    CHECK(back);
    size_t at = 0;
    int reads = 0;
    uint64_t shapes = 0;
    for (;;) {
        ssize_t n = OK(read(p[0], back + at, at % 3 ? 60000 : 5000));
        if (n == 0)
            break;
        shapes = shapes * 31 + (uint64_t)n;
        at += (size_t)n;
        reads++;
    }
    CHECK_EQ(at, SIZE);
    CHECK(memcmp(data, back, SIZE) == 0);
    say("%d reads of shapes %016lx", reads, (unsigned long)shapes);
    expect_exit(pid, 0);
    return 0;
}
