/* The stack grows: four megabytes of recursion; a MAP_GROWSDOWN map grows by touching below it. */
#include "guest.h"

__attribute__((noinline)) static uint64_t deep(int n, char **low) {
    volatile char room[1024];
    for (int i = 0; i < 1024; i += 128)
        room[i] = (char)(n + i);
    if (n == 0) {
        *low = (char *)room;
        return 1;
    }
    uint64_t r = deep(n - 1, low);
    return r * 31 + (unsigned char)room[128];
}

int main(void) {
    char *low, *here = (char *)__builtin_frame_address(0);
    uint64_t r = deep(3800, &low);
    CHECK(here - low > 3800000);
    say("depth %ld, result %016lx, at %p", (long)(here - low), (unsigned long)r, (void *)low);
    CHECK(deep(3800, &low) == r);
    char *area = OK(mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OK(munmap(area, 1 << 20));
    char *p = mmap(area + (1 << 20) - PAGE, PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    if (p == MAP_FAILED) {
        say("no MAP_GROWSDOWN: %d", errno);
        return 0;
    }
    p[0] = 1;
    for (unsigned i = 1; i <= 20; i++)
        *(volatile char *)(p - i * PAGE + 8) = (char)i;
    for (unsigned i = 1; i <= 20; i++)
        CHECK_EQ(p[8 - (long)(i * PAGE)], i);
    say("grew down from %p", (void *)p);
    return 0;
}
