/* Copy on write over several forks: each process changes its own pages of a large array. */
#include "guest.h"

int main(void) {
    enum { PAGES = 256 };
    unsigned char *p = OK(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(p, PAGES * PAGE, 77);
    uint64_t original = hash(p, PAGES * PAGE);
    pid_t pids[4];
    for (int i = 0; i < 4; i++) {
        pids[i] = OK(fork());
        if (pids[i] == 0) {
            for (unsigned k = (unsigned)i; k < PAGES; k += 4)
                p[k * PAGE + 5] ^= 0xff;
            say("child %d sees %016lx", i, (unsigned long)hash(p, PAGES * PAGE));
            _exit(0);
        }
        p[(unsigned)i] ^= 0x55;
    }
    for (int i = 0; i < 4; i++)
        expect_exit(pids[i], 0);
    for (int i = 0; i < 4; i++)
        p[(unsigned)i] ^= 0x55;
    CHECK(hash(p, PAGES * PAGE) == original);
    return 0;
}
