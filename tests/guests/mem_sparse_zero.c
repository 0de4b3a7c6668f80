/* A big sparse map, maps of /dev/zero, MAP_NORESERVE, and huge page attempts that may fail. */
#include "guest.h"

int main(void) {
    size_t size = 512ul << 20;
    char *p = OK(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    for (size_t at = 0; at < size; at += 8 << 20)
        p[at + 4097] = (char)(at >> 20);
    uint64_t sum = 0;
    for (size_t at = 0; at < size; at += 8 << 20)
        sum = sum * 31 + (unsigned char)p[at + 4097] + (unsigned char)p[at + 9000];
    OK(munmap(p + (100 << 20), 200 << 20));
    CHECK(p[4097] == 0 && p[(304 << 20) + 4097] == (char)(304 & 0xff));
    int zero = OK(open("/dev/zero", O_RDWR));
    char *a = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0));
    char *b = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0));
    CHECK(a[0] == 0 && b[PAGE] == 0);
    a[0] = b[0] = 1;
    pid_t pid = OK(fork());
    if (pid == 0) {
        a[0] = 5, b[0] = 6;
        _exit(0);
    }
    expect_exit(pid, 0);
    CHECK(a[0] == 1 && b[0] == 6);
    char *h = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    if (h == MAP_FAILED) {
        say("huge pages: errno %d", errno);
    } else {
        h[1 << 20] = 3;
        CHECK(h[1 << 20] == 3);
        OK(munmap(h, 2 << 20));
    }
    say("sum %016lx at %p", (unsigned long)sum, (void *)p);
    return 0;
}
