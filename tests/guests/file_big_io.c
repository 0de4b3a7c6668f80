/* Single reads and writes of several megabytes: larger than any piece of a journal. */
#include "guest.h"

int main(void) {
    size_t size = 5 * 1024 * 1024 + 123;
    char *out = OK(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char *in = OK(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(out, size, 99);
    int fd = OK(open("big", O_RDWR | O_CREAT, 0600));
    CHECK_EQ(write(fd, out, size), size);
    CHECK_EQ(pread(fd, in, size, 0), size);
    CHECK(memcmp(in, out, size) == 0);
    int urandom = OK(open("/dev/urandom", O_RDONLY));
    ssize_t n = OK(read(urandom, in, 3 * 1024 * 1024));
    CHECK(n > 0);
    say("random %zd %016lx", n, (unsigned long)hash(in, (size_t)n));
    CHECK_EQ(pread(fd, in, size, 1024 * 1024), size - 1024 * 1024);
    say("file %016lx", (unsigned long)hash(in, size));
    return 0;
}
