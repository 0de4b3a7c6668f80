/* fsync, fdatasync, sync_file_range, syncfs, sync, readahead, posix_fadvise. */
#include "guest.h"

int main(void) {
    char data[50000];
    fill(data, sizeof data, 2);
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    write_all(fd, data, sizeof data);
    OK(fdatasync(fd));
    OK(fsync(fd));
    int r = sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    say("sync_file_range %d %d", r, r ? errno : 0);
    ssize_t n = readahead(fd, 0, 4096);
    say("readahead %zd", n);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, 99), EINVAL);
    int sync_fd = OK(open("g", O_WRONLY | O_CREAT | O_DSYNC, 0600));
    write_all(sync_fd, data, 100);
    FAILS(fsync(99), EBADF);
    int p[2];
    OK(pipe(p));
    FAILS(fsync(p[0]), EINVAL);
    char back[64];
    CHECK_EQ(pread(fd, back, sizeof back, 40000), 64);
    CHECK(memcmp(back, data + 40000, 64) == 0);
    return 0;
}
