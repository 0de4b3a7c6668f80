/* Anonymous maps: zero, hints, MAP_FIXED over others, FIXED_NOREPLACE, partial unmaps, errors. */
#include "guest.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
enum { RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

int main(void) {
    char *p = OK(mmap(NULL, 10 * PAGE, RW, ANON, -1, 0));
    for (unsigned long i = 0; i < 10 * PAGE; i++)
        CHECK_EQ(p[i], 0);
    fill(p, 10 * PAGE, 1);
    uint64_t tail = hash(p + 6 * PAGE, 4 * PAGE);
    OK(munmap(p + 4 * PAGE, 2 * PAGE));
    CHECK(hash(p + 6 * PAGE, 4 * PAGE) == tail);
    char *hole = OK(mmap(p + 4 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    CHECK(hole == p + 4 * PAGE && hole[0] == 0);
    FAILS(mmap(p + 4 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    CHECK(mmap(p + PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p + PAGE);
    CHECK(p[PAGE] == 0 && p[3 * PAGE - 1] == 0);
    CHECK(hash(p + 6 * PAGE, 4 * PAGE) == tail);
    char *hint = (char *)0x123456789000;
    char *q = OK(mmap(hint, PAGE, RW, ANON, -1, 0));
    say("hint %p gave %p, first map %p", (void *)hint, (void *)q, (void *)p);
    char *low = mmap(NULL, PAGE, RW, ANON | MAP_32BIT, -1, 0);
    CHECK(low != MAP_FAILED && (uintptr_t)low < 1ul << 32);
    FAILS(mmap(p + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
    FAILS(mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
    FAILS(mmap(NULL, PAGE, RW, MAP_PRIVATE, 99, 0), EBADF);
    FAILS(mmap(NULL, 1ul << 50, RW, ANON | MAP_NORESERVE, -1, 0), ENOMEM);
    FAILS(munmap(p + 1, PAGE), EINVAL);
    OK(munmap(p, 10 * PAGE));
    OK(munmap(p, 10 * PAGE));
    char *populated = OK(mmap(NULL, 20 * PAGE, RW, ANON | MAP_POPULATE, -1, 0));
    unsigned char resident[20];
    OK(mincore(populated, 20 * PAGE, resident));
    for (int i = 0; i < 20; i++)
        CHECK(resident[i] & 1);
    char *many[100];
    uint64_t addresses = 0;
    for (int i = 0; i < 100; i++) {
        many[i] = OK(mmap(NULL, PAGE * (1 + (unsigned)i % 5), RW, ANON, -1, 0));
        *many[i] = (char)i;
        addresses = addresses * 31 + (uintptr_t)many[i];
    }
    for (int i = 0; i < 100; i += 2)
        OK(munmap(many[i], PAGE * (1 + (unsigned)i % 5)));
    for (int i = 1; i < 100; i += 2)
        CHECK_EQ(*many[i], i);
    say("a hundred maps at %016lx, low %p", (unsigned long)addresses, (void *)low);
    return 0;
}
