/* read, write, pread, pwrite and all the vectored forms, with short, empty and faulting transfers. */
#include "guest.h"
#include <sys/uio.h>

/* Hidden from the compiler, which would rightly warn. */
static void *volatile nowhere = (void *)8;
static volatile int negative = -1, too_many = 100000;

int main(void) {
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    char out[1000], in[1200];
    fill(out, sizeof out, 1);
    CHECK_EQ(write(fd, out, sizeof out), 1000);
    CHECK_EQ(write(fd, out, 0), 0);
    CHECK_EQ(pread(fd, in, sizeof in, 100), 900);
    CHECK(memcmp(in, out + 100, 900) == 0);
    CHECK_EQ(read(fd, in, sizeof in), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 1000);
    CHECK_EQ(pwrite(fd, "XYZ", 3, 998), 3);
    CHECK_EQ(lseek(fd, -5, SEEK_END), 996);
    CHECK_EQ(read(fd, in, sizeof in), 5);
    CHECK(memcmp(in + 2, "XYZ", 3) == 0);
    FAILS(pread(fd, in, 1, -1), EINVAL);
    FAILS(read(77, in, 1), EBADF);
    OK(lseek(fd, 0, SEEK_SET));
    FAILS(read(fd, nowhere, 16), EFAULT);
    FAILS(write(fd, nowhere, 16), EFAULT);

    struct iovec put[3] = {{(void *)"one", 3}, {NULL, 0}, {(void *)"three", 5}};
    OK(lseek(fd, 0, SEEK_SET));
    CHECK_EQ(writev(fd, put, 3), 8);
    CHECK_EQ(pwritev(fd, put, 3, 500), 8);
    CHECK_EQ(pwritev2(fd, put, 1, -1, 0), 3);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 11);
    CHECK_EQ(pwritev2(fd, put, 1, 0, RWF_APPEND), 3);
    char a[4], b[3], c[600];
    struct iovec get[3] = {{a, 4}, {b, 3}, {c, sizeof c}};
    OK(lseek(fd, 0, SEEK_SET));
    CHECK_EQ(readv(fd, get, 3), 607);
    CHECK(memcmp(a, "onet", 4) == 0 && memcmp(b, "hre", 3) == 0 && c[0] == 'e');
    CHECK_EQ(preadv(fd, get, 2, 500), 7);
    CHECK(memcmp(a, "onet", 4) == 0);
    CHECK_EQ(preadv2(fd, get, 3, 0, 0), 607);
    ssize_t n = preadv2(fd, get, 3, 0, RWF_NOWAIT);
    CHECK(n > 0 || errno == EAGAIN || errno == EOPNOTSUPP);
    say("preadv2 nowait %zd", n);
    FAILS(readv(fd, get, negative), EINVAL);
    FAILS(readv(fd, get, too_many), EINVAL);
    /* Ends inside the file, and the second piece is never reached. */
    struct iovec faulting[2] = {{a, 4}, {nowhere, 4}};
    CHECK_EQ(preadv(fd, faulting, 2, 0), 4);
    say("contents %016lx size %ld", (unsigned long)hash(c, sizeof c), (long)lseek(fd, 0, SEEK_END));

    /* A buffer that ends in an unmapped page gives a short count, not an error. */
    char *two = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OK(munmap(two + PAGE, PAGE));
    n = pread(fd, two + PAGE - 100, 300, 0);
    CHECK(n == 100 || (n == -1 && errno == EFAULT));
    say("short of a page: %zd, hash %016lx", n, (unsigned long)hash(two + PAGE - 100, 100));
    return 0;
}
