/* mremap: grows in place or moves, shrinks, to a fixed address, DONTUNMAP, of files, errors. */
#include "guest.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
enum { RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

int main(void) {
    char *area = OK(mmap(NULL, 64 * PAGE, PROT_NONE, ANON, -1, 0));
    char *p = OK(mmap(area, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
    fill(p, 4 * PAGE, 3);
    uint64_t h = hash(p, 4 * PAGE);
    OK(munmap(area + 4 * PAGE, 4 * PAGE));
    CHECK(mremap(p, 4 * PAGE, 8 * PAGE, 0) == p);
    CHECK(hash(p, 4 * PAGE) == h && p[7 * PAGE] == 0);
    FAILS(mremap(p, 8 * PAGE, 16 * PAGE, 0), ENOMEM);
    char *moved = OK(mremap(p, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE));
    CHECK(moved != p && hash(moved, 4 * PAGE) == h);
    unsigned char v[1];
    FAILS(mincore(p, PAGE, v), ENOMEM);
    CHECK(mremap(moved, 16 * PAGE, 4 * PAGE, 0) == moved);
    FAILS(mincore(moved + 4 * PAGE, PAGE, v), ENOMEM);
    char *fixed = OK(mremap(moved, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 32 * PAGE));
    CHECK(fixed == area + 32 * PAGE && hash(fixed, 4 * PAGE) == h);
    char *left = mremap(fixed, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
    if (left != MAP_FAILED) {
        CHECK(hash(left, 4 * PAGE) == h && fixed[0] == 0 && fixed[4 * PAGE - 1] == 0);
    } else {
        CHECK_EQ(errno, EINVAL);
    }
    FAILS(mremap(fixed + 1, PAGE, PAGE, 0), EINVAL);
    FAILS(mremap((void *)0x10000, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);

    char data[3 * 4096];
    fill(data, sizeof data, 9);
    make_file("f", data, sizeof data);
    int fd = OK(open("f", O_RDWR));
    char *m = OK(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
    m = OK(mremap(m, PAGE, 3 * PAGE, MREMAP_MAYMOVE));
    CHECK(memcmp(m, data, sizeof data) == 0);
    m[2 * PAGE] = 'Z';
    char c;
    CHECK(pread(fd, &c, 1, (off_t)(2 * PAGE)) == 1 && c == 'Z');
    /* Size zero of a shared map makes a second one. */
    char *twin = OK(mremap(m, 0, 2 * PAGE, MREMAP_MAYMOVE));
    m[5] = 'Q';
    CHECK(twin[5] == 'Q');
    say("moved to %p, file at %p, twin %p", (void *)moved, (void *)m, (void *)twin);
    return 0;
}
