/* Sizes far beyond what there is: counts of terabytes, negative ones, vectors that add up to too much. */
#include "guest.h"
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>

int main(void) {
    make_file("f", "0123456789", 10);
    int fd = OK(open("f", O_RDWR));
    /* Everything that can be written lies before a page that is not there. */
    char *p = OK(mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OK(munmap(p + 4 * PAGE, PAGE));
    fill(p, 4 * PAGE, 1);
    static const size_t counts[] = {1ul << 31, 1ul << 32, 1ul << 40, 0x7fffffffffffffff, 0x8000000000000000, ~0ul};
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        long n = pread(fd, p, counts[i], 0);
        int e = n < 0 ? errno : 0;
        say("read %#lx: %ld, %d", counts[i], n, e);
        CHECK(n == 10 || e == EINVAL || e == EFAULT);
        int out = OK(open("out", O_RDWR | O_CREAT | O_TRUNC, 0600));
        n = write(out, p, counts[i]);
        e = n < 0 ? errno : 0;
        CHECK(n > 0 ? n <= (long)(4 * PAGE) : e == EFAULT || e == EINVAL);
        say("write %#lx: %ld, %d", counts[i], n, e);
        OK(close(out));
        n = syscall(SYS_getrandom, p + 3 * PAGE, counts[i], GRND_NONBLOCK);
        e = n < 0 ? errno : 0;
        say("random %#lx: %ld, %d, %016lx", counts[i], n, e, (unsigned long)hash(p, 4 * PAGE));
        int pair[2];
        OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
        write_all(pair[0], "some bytes", 10);
        n = recv(pair[1], p, counts[i], 0);
        e = n < 0 ? errno : 0;
        say("receive %#lx: %ld, %d", counts[i], n, e);
        n = readlink("/proc/self/exe", p, counts[i]);
        e = n < 0 ? errno : 0;
        CHECK(n > 0 || e == EINVAL);
        struct iovec v[2] = {{p, 4}, {p + PAGE, counts[i]}};
        n = preadv(fd, v, 2, 0);
        e = n < 0 ? errno : 0;
        say("vector %#lx: %ld, %d", counts[i], n, e);
        OK(close(pair[0]));
        OK(close(pair[1]));
    }
    FAILS((long)mmap(NULL, ~0ul, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
    FAILS(munmap(p, ~0ul), EINVAL);
    FAILS(mprotect(p, 1ul << 60, PROT_READ), ENOMEM);
    FAILS(syscall(SYS_poll, p, 1 << 30, 0), EINVAL);
    FAILS(syscall(SYS_getgroups, -1, p), EINVAL);
    FAILS(syscall(SYS_epoll_wait, fd, p, 1 << 30, 0), EINVAL);
    say("memory %016lx", (unsigned long)hash(p, 4 * PAGE));
    return 0;
}
