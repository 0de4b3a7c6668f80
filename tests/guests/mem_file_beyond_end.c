/* Maps beyond the end of a file: SIGBUS, then the file is extended by write, and the map works. */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf out;
static volatile sig_atomic_t faults;
static void on_bus(int s, siginfo_t *info, void *context) {
    (void)s, (void)info, (void)context;
    faults++;
    siglongjmp(out, 1);
}

int main(void) {
    handle(SIGBUS, on_bus, 0);
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    char *p = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    if (sigsetjmp(out, 1) == 0) {
        p[0] = 1;
        CHECK(0);
    }
    CHECK_EQ(write(fd, "12345", 5), 5);
    CHECK(memcmp(p, "12345\0\0", 7) == 0);
    if (sigsetjmp(out, 1) == 0) {
        p[PAGE] = 1;
        CHECK(0);
    }
    CHECK_EQ(pwrite(fd, "x", 1, (off_t)(3 * PAGE)), 1);
    p[PAGE] = 'm';
    CHECK(p[3 * PAGE] == 'x' && p[2 * PAGE] == 0);
    OK(ftruncate(fd, 10));
    if (sigsetjmp(out, 1) == 0) {
        p[PAGE] = 1;
        CHECK(0);
    }
    CHECK_EQ(faults, 3);
    /* A system call that touches the missing page says EFAULT. */
    int pipes[2];
    OK(pipe(pipes));
    FAILS(write(pipes[1], p + PAGE, 10), EFAULT);
    CHECK_EQ(faults, 3);
    OK(ftruncate(fd, (off_t)PAGE));
    CHECK_EQ(write(pipes[1], p, 10), 10);
    say("three faults at %p", (void *)p);
    return 0;
}
