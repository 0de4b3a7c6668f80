/* preadv2 and pwritev2 with their flags: NOWAIT, APPEND, DSYNC, HIPRI, position -1, and flags that do not exist. */
#include "guest.h"
#include <sys/uio.h>
#ifndef RWF_APPEND
#define RWF_APPEND 0x10
#endif

int main(void) {
    char data[100], back[100];
    fill(data, sizeof data, 2);
    make_file("f", data, sizeof data);
    int fd = OK(open("f", O_RDWR));
    struct iovec v[2] = {{back, 30}, {back + 30, 70}}, w[1] = {{data, 20}};
    CHECK_EQ(preadv2(fd, v, 2, 0, 0), 100);
    CHECK(memcmp(back, data, 100) == 0);
    CHECK_EQ(preadv2(fd, v, 2, 90, RWF_HIPRI), 10);
    CHECK_EQ(preadv2(fd, v, 2, -1, 0), 100);
    CHECK_EQ(preadv2(fd, v, 2, -1, 0), 0);
    /* Data that is not in memory is not waited for. */
    long n = preadv2(fd, v, 2, 0, RWF_NOWAIT);
    CHECK(n == 100 || (n == -1 && (errno == EAGAIN || errno == EOPNOTSUPP)));
    say("not waiting: %ld", n);
    CHECK_EQ(pwritev2(fd, w, 1, 0, RWF_APPEND | RWF_DSYNC), 20);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 120);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(pwritev2(fd, w, 1, -1, RWF_SYNC), 20);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 20);
    FAILS(preadv2(fd, v, 2, 0, 0x40000000), EOPNOTSUPP);
    FAILS(preadv2(fd, v, 2, -2, 0), EINVAL);
    FAILS(syscall(SYS_preadv2, fd, v, -1, 0, 0, 0), EINVAL);
    FAILS(syscall(SYS_preadv2, fd, v, 2000, 0, 0, 0), EINVAL);
    int p[2];
    OK(pipe(p));
    FAILS(preadv2(p[0], v, 2, -1, RWF_NOWAIT), EAGAIN);
    FAILS(preadv2(p[0], v, 2, 0, 0), ESPIPE);
    CHECK_EQ(pwritev2(p[1], w, 1, -1, 0), 20);
    CHECK_EQ(preadv2(p[0], v, 2, -1, RWF_NOWAIT), 20);
    CHECK(memcmp(back, data, 20) == 0);
    say("descriptors %d %d %d", fd, p[0], p[1]);
    return 0;
}
