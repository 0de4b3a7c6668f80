/* mincore, mlock, mlock2, munlock, mlockall, msync. */
#include "guest.h"
#include <sys/resource.h>

int main(void) {
    char *p = OK(mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    unsigned char v[16];
    OK(madvise(p, 16 * PAGE, MADV_NOHUGEPAGE) == 0 || errno == EINVAL ? 0 : -1);
    p[3 * PAGE] = 1;
    OK(mincore(p, 16 * PAGE, v));
    CHECK(v[3] & 1);
    uint64_t h = hash(v, sizeof v);
    say("resident %016lx", (unsigned long)h);
    struct rlimit limit;
    OK(getrlimit(RLIMIT_MEMLOCK, &limit));
    if (limit.rlim_cur >= 64 * PAGE || geteuid() == 0) {
        OK(mlock(p, 8 * PAGE));
        OK(mincore(p, 16 * PAGE, v));
        for (int i = 0; i < 8; i++)
            CHECK(v[i] & 1);
        OK(munlock(p, 8 * PAGE));
        int r = mlock2(p, PAGE, MLOCK_ONFAULT);
        say("mlock2 %d", r);
        OK(munlockall());
    }
    int r = mlockall(MCL_CURRENT);
    say("mlockall %d", r);
    OK(munlockall());
    FAILS(mlock((void *)0x10000, PAGE), ENOMEM);
    FAILS(mincore(p + 1, PAGE, v), EINVAL);
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    OK(ftruncate(fd, (off_t)(2 * PAGE)));
    char *m = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    memcpy(m + 100, "synchronised", 12);
    OK(msync(m, 2 * PAGE, MS_SYNC));
    OK(msync(m, PAGE, MS_ASYNC));
    OK(msync(m, PAGE, MS_INVALIDATE));
    FAILS(msync(m, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    char text[12];
    CHECK_EQ(pread(fd, text, 12, 100), 12);
    CHECK(memcmp(text, "synchronised", 12) == 0);
    return 0;
}
