/* splice, tee and vmsplice move pipe contents without the program's memory. */
#include "guest.h"
#include <sys/uio.h>

int main(void) {
    char data[8192], back[8192];
    fill(data, sizeof data, 5);
    make_file("s", data, sizeof data);
    int fd = OK(open("s", O_RDONLY));
    int a[2], b[2];
    OK(pipe(a));
    OK(pipe2(b, O_NONBLOCK));
    loff_t at = 100;
    ssize_t n = splice(fd, &at, a[1], NULL, 3000, SPLICE_F_MOVE);
    CHECK(n > 0);
    CHECK_EQ(at, 100 + n);
    say("spliced %zd", n);
    ssize_t t = OK(tee(a[0], b[1], 2000, 0));
    say("teed %zd", t);
    CHECK_EQ(read(b[0], back, sizeof back), t);
    CHECK(memcmp(back, data + 100, (size_t)t) == 0);
    CHECK_EQ(read(a[0], back, sizeof back), n);
    CHECK(memcmp(back, data + 100, (size_t)n) == 0);

    struct iovec v[2] = {{data, 10}, {data + 100, 20}};
    CHECK_EQ(vmsplice(a[1], v, 2, 0), 30);
    struct iovec w[1] = {{back, 30}};
    CHECK_EQ(vmsplice(a[0], w, 1, 0), 30);
    CHECK(memcmp(back, data, 10) == 0 && memcmp(back + 10, data + 100, 20) == 0);

    write_all(a[1], "to a file", 9);
    int out = OK(open("out", O_RDWR | O_CREAT, 0600));
    CHECK_EQ(splice(a[0], NULL, out, NULL, 100, 0), 9);
    CHECK_EQ(pread(out, back, 100, 0), 9);
    CHECK(memcmp(back, "to a file", 9) == 0);
    FAILS(splice(b[0], NULL, out, NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
    FAILS(splice(fd, NULL, out, NULL, 10, 0), EINVAL);
    say("pipe fds %d %d %d %d", a[0], a[1], b[0], b[1]);
    return 0;
}
