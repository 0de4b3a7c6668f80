/* Rare kinds of maps: SHARED_VALIDATE, DROPPABLE, POPULATE, LOCKED, STACK, UNINITIALIZED, of nothing, of directories. */
#include "guest.h"

int main(void) {
    enum { RW = PROT_READ | PROT_WRITE, DROPPABLE = 8 };
    static const int flags[] = {MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE,
                                MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, MAP_SHARED | MAP_ANONYMOUS | MAP_LOCKED,
                                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, DROPPABLE | MAP_ANONYMOUS,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, MAP_PRIVATE | MAP_ANONYMOUS | 0x4000000,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        char *p = mmap(NULL, 3 * PAGE, RW, flags[i], -1, 0);
        if (p == MAP_FAILED) {
            say("%#x: errno %d", (unsigned)flags[i], errno);
            continue;
        }
        CHECK(p[0] == 0 && p[3 * PAGE - 1] == 0);
        p[PAGE] = (char)i;
        pid_t pid = OK(fork());
        if (pid == 0) {
            CHECK(p[PAGE] == (char)i || flags[i] & DROPPABLE);
            p[PAGE + 1] = 'c';
            _exit(0);
        }
        expect_exit(pid, 0);
        CHECK_EQ(p[PAGE + 1], flags[i] & MAP_SHARED ? 'c' : 0);
        say("%#x at %p", (unsigned)flags[i], (void *)p);
        OK(munmap(p, 3 * PAGE));
    }
    make_file("f", "content", 7);
    int fd = OK(open("f", O_RDWR)), dir = OK(open(".", O_RDONLY)), path = OK(open("f", O_PATH));
    char *p = OK(mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE, fd, 0));
    memcpy(p, "CON", 3);
    char back[7];
    CHECK(pread(fd, back, 7, 0) == 7 && memcmp(back, "CONtent", 7) == 0);
    FAILS((long)mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE | 0x80000 /* MAP_SYNC */, fd, 0), EOPNOTSUPP);
    FAILS((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, dir, 0), ENODEV);
    FAILS((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, path, 0), EBADF);
    FAILS((long)mmap(NULL, PAGE, RW, 0, fd, 0), EINVAL);
    FAILS((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), EBADF);
    int p2[2];
    OK(pipe(p2));
    FAILS((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, p2[0], 0), ENODEV);
    /* Anonymous, and a descriptor all the same; write-only; nothing but executable. */
    char *q = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, fd, 0));
    CHECK_EQ(q[0], 0);
    char *w = OK(mmap(NULL, PAGE, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    *(volatile char *)w = 1;
    OK(munmap(OK(mmap(NULL, PAGE, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), PAGE));
    say("file at %p", (void *)p);
    return 0;
}
