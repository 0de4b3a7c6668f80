/* copy_file_range and sendfile: offsets by pointer and by file position. */
#include "guest.h"
#include <sys/sendfile.h>

int main(void) {
    static char data[100000], back[100000];
    fill(data, sizeof data, 11);
    make_file("src", data, sizeof data);
    int src = OK(open("src", O_RDONLY));
    int dst = OK(open("dst", O_RDWR | O_CREAT, 0600));
    off_t in_at = 1000, out_at = 500;
    ssize_t n = copy_file_range(src, &in_at, dst, &out_at, 5000, 0);
    if (n < 0) {
        CHECK(errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS);
        say("copy_file_range: errno %d", errno);
    } else {
        CHECK_EQ(n, 5000);
        CHECK(in_at == 6000 && out_at == 5500 && lseek(src, 0, SEEK_CUR) == 0);
        CHECK_EQ(pread(dst, back, 5000, 500), 5000);
        CHECK(memcmp(back, data + 1000, 5000) == 0);
        while ((n = copy_file_range(src, NULL, dst, NULL, sizeof data, 0)) > 0)
            say("copied %zd", n);
        CHECK(n == 0);
    }
    int third = OK(open("third", O_RDWR | O_CREAT, 0600));
    off_t from = 10;
    size_t total = 0;
    while ((n = sendfile(third, src, &from, 40000)) > 0) {
        say("sendfile %zd to %ld", n, (long)from);
        total += (size_t)n;
    }
    CHECK(n == 0 && total == sizeof data - 10);
    CHECK_EQ(pread(third, back, sizeof back, 0), sizeof data - 10);
    CHECK(memcmp(back, data + 10, sizeof data - 10) == 0);

    int pipes[2];
    OK(pipe(pipes));
    OK(lseek(src, 99000, SEEK_SET));
    CHECK_EQ(sendfile(pipes[1], src, NULL, 5000), 1000);
    CHECK_EQ(read(pipes[0], back, sizeof back), 1000);
    CHECK(memcmp(back, data + 99000, 1000) == 0);
    FAILS(sendfile(src, third, NULL, 10), EBADF);
    say("hash %016lx", (unsigned long)hash(back, 1000));
    return 0;
}
