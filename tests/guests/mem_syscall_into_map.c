/* System calls that write into shared maps, read-only data, their own arguments, and overlapping pieces. */
#include "guest.h"
#include <sys/uio.h>
#include <sys/utsname.h>

int main(void) {
    char *shared = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    make_file("f", "0123456789abcdef", 16);
    int fd = OK(open("f", O_RDONLY));
    CHECK_EQ(read(fd, shared + PAGE - 8, 16), 16);
    CHECK(memcmp(shared + PAGE - 8, "0123456789abcdef", 16) == 0);
    /* Two pieces over the same place: the later one wins. */
    struct iovec v[2] = {{shared, 8}, {shared + 4, 8}};
    CHECK_EQ(preadv(fd, v, 2, 0), 16);
    CHECK(memcmp(shared, "0123" "89abcdef", 12) == 0);
    /* The iovec array itself is where the data goes. */
    union {
        struct iovec v[1];
        char bytes[64];
    } u;
    u.v[0] = (struct iovec){u.bytes, 16};
    CHECK_EQ(preadv(fd, u.v, 1, 0), 16);
    CHECK(memcmp(u.bytes, "0123456789abcdef", 16) == 0);
    FAILS(pread(fd, (void *)(uintptr_t)"constant", 4, 0), EFAULT);
    struct timespec *t = (struct timespec *)(shared + 64);
    OK(clock_gettime(CLOCK_REALTIME, t));
    OK(syscall(SYS_clock_gettime, CLOCK_REALTIME, t + 1));
    CHECK(t[1].tv_sec >= t[0].tv_sec);
    OK(uname((struct utsname *)(shared + 1000)));
    int *pair = (int *)(shared + 2000);
    OK(pipe(pair));
    say("page %016lx", (unsigned long)hash(shared, 2 * PAGE));
    /* A child of vfork and a forked one see the same bytes. */
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(clock_gettime(CLOCK_REALTIME, t + 2));
        OK(syscall(SYS_getrandom, shared + 3000, 32, 0));
        _exit(0);
    }
    expect_exit(pid, 0);
    CHECK(t[2].tv_sec >= t[1].tv_sec);
    say("page %016lx", (unsigned long)hash(shared, 2 * PAGE));
    return 0;
}
