/* A shared mapping of /dev/zero from an offset on: its last pages lie beyond the end of what is behind it. */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf out;
static void on_fault(int number) { siglongjmp(out, number); }
static int fault(volatile char *p) {
    int number = sigsetjmp(out, 1);
    if (number == 0)
        (void)*p;
    return number;
}

int main(void) {
    signal(SIGBUS, on_fault);
    signal(SIGSEGV, on_fault);
    int fd = OK(open("/dev/zero", O_RDWR));
    for (int offset = 0; offset < 6; offset++) {
        char *p = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset * PAGE));
        char *q = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, offset * PAGE));
        for (int page = 0; page < 4; page++) {
            CHECK_EQ(fault(q + page * PAGE), 0);
            CHECK_EQ(fault(p + page * PAGE), page + offset < 4 ? 0 : SIGBUS);
        }
        if (offset < 4) {
            /* A child shares it. */
            pid_t pid = OK(fork());
            if (pid == 0) {
                p[0] = q[0] = (char)('a' + offset);
                _exit(0);
            }
            expect_exit(pid, 0);
            CHECK(p[0] == 'a' + offset && q[0] == 0);
        }
        /* Larger, it has no more behind it. */
        char *r = OK(mremap(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE));
        for (int page = 0; page < 8; page++)
            CHECK_EQ(fault(r + page * PAGE), page + offset < 4 ? 0 : SIGBUS);
        say("%d: %016lx at %p", offset, (unsigned long)hash(r, offset < 4 ? PAGE : 0), (void *)r);
    }
    return 0;
}
