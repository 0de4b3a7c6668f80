/* Bytes that go through pipes without the program's memory (splice, tee, vmsplice, sendfile), pipes
 * of another size that are full, and what is left inside for long. */
#include "../guests/guest.h"
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static char data[200000], back[200000];

static void expect(int fd, size_t from, size_t length) {
    read_exactly(fd, back, length);
    CHECK(memcmp(back, data + from, length) == 0);
}

int main(void) {
    fill(data, sizeof data, 7);
    make_file("source", data, sizeof data);
    int source = OK(open("source", O_RDONLY));
    int big[2], one[2], two[2];
    OK(pipe(big));
    OK(pipe(one));
    OK(pipe(two));
    OK(fcntl(big[0], F_SETPIPE_SZ, 262144));
    write_all(big[1], data, sizeof data);
    OK(fcntl(two[0], F_SETPIPE_SZ, 4096));
    loff_t at = 100;
    CHECK_EQ(splice(source, &at, one[1], NULL, 3000, 0), 3000);
    CHECK_EQ(at, 3100);
    CHECK_EQ(tee(one[0], two[1], 2000, 0), 2000);
    CHECK_EQ(sendfile(one[1], source, NULL, 500), 500);
    struct iovec parts[2] = {{data + 50, 10}, {data + 1000, 20}};
    CHECK_EQ(vmsplice(one[1], parts, 2, 0), 30);
    say("inside");
    expect(two[0], 100, 2000);
    int inside = 0;
    OK(ioctl(one[0], FIONREAD, &inside));
    CHECK_EQ(inside, 3530);
    expect(one[0], 100, 3000);
    expect(one[0], 0, 500);
    struct iovec into = {back, 10};
    CHECK_EQ(vmsplice(one[0], &into, 1, 0), 10);
    CHECK(memcmp(back, data + 50, 10) == 0);
    int file = OK(open("spliced", O_RDWR | O_CREAT, 0644));
    CHECK_EQ(splice(one[0], NULL, file, NULL, 100, 0), 20);
    say("out");
    CHECK_EQ(fcntl(big[0], F_GETPIPE_SZ), 262144);
    CHECK_EQ(fcntl(two[1], F_GETPIPE_SZ), 4096);
    OK(ioctl(big[0], FIONREAD, &inside));
    CHECK_EQ(inside, sizeof data);
    for (size_t done = 0; done < sizeof data;) {
        size_t n = (size_t)OK(splice(big[0], NULL, file, NULL, sizeof data - done, 0));
        CHECK(n > 0);
        done += n;
    }
    CHECK_EQ(lseek(file, 0, SEEK_CUR), sizeof data + 20);
    CHECK_EQ(pread(file, back, sizeof data, 20), sizeof data);
    CHECK(memcmp(back, data, sizeof data) == 0);
    OK(fcntl(one[1], F_SETFL, O_NONBLOCK));
    OK(fcntl(one[1], F_SETPIPE_SZ, 4096));
    CHECK_EQ(write(one[1], data, 4096), 4096);
    usleep(1000);
    FAILS(write(one[1], data, 1), EAGAIN);
    expect(one[0], 0, 4096);
    say("all");
    return 0;
}
