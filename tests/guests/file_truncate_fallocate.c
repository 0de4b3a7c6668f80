/* truncate, ftruncate and fallocate with its modes, where the filesystem has them. */
#include "guest.h"
#include <linux/falloc.h>

int main(void) {
    char data[16384], back[32768];
    fill(data, sizeof data, 7);
    make_file("t", data, sizeof data);
    OK(truncate("t", 5000));
    int fd = OK(open("t", O_RDWR));
    CHECK_EQ(read(fd, back, sizeof back), 5000);
    OK(ftruncate(fd, 9000));
    CHECK_EQ(pread(fd, back, sizeof back, 0), 9000);
    CHECK(memcmp(back, data, 5000) == 0 && back[5000] == 0 && back[8999] == 0);
    FAILS(ftruncate(fd, -1), EINVAL);
    FAILS(truncate("nothing", 1), ENOENT);
    int read_only = OK(open("t", O_RDONLY));
    FAILS(ftruncate(read_only, 1), EINVAL);

    struct stat st;
    int r = fallocate(fd, 0, 0, 20000);
    say("fallocate %d %d", r, r ? errno : 0);
    if (r == 0) {
        OK(fstat(fd, &st));
        CHECK_EQ(st.st_size, 20000);
    }
    r = fallocate(fd, FALLOC_FL_KEEP_SIZE, 20000, 4096);
    say("keep size %d %d", r, r ? errno : 0);
    CHECK_EQ(pwrite(fd, data, sizeof data, 0), 16384);
    r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096);
    say("punch hole %d %d", r, r ? errno : 0);
    if (r == 0) {
        CHECK_EQ(pread(fd, back, 8192, 0), 8192);
        CHECK(memcmp(back, data, 4096) == 0 && back[4096] == 0 && back[8191] == 0);
    }
    r = fallocate(fd, FALLOC_FL_ZERO_RANGE, 8192, 100);
    say("zero range %d %d", r, r ? errno : 0);
    r = fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096);
    say("collapse %d %d", r, r ? errno : 0);
    FAILS(fallocate(fd, 0, 0, 0), EINVAL);
    int e = posix_fallocate(fd, 0, 30000);
    say("posix_fallocate %d", e);
    OK(fstat(fd, &st));
    ssize_t n = OK(pread(fd, back, sizeof back, 0));
    say("size %ld blocks %ld hash %016lx", (long)st.st_size, (long)st.st_blocks, (unsigned long)hash(back, (size_t)n));
    return 0;
}
