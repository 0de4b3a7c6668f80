/* Calls that fail after they have done a part: mprotect and madvise over a hole, mremap onto a map. */
#include "guest.h"
#include <setjmp.h>
#include <sys/uio.h>

static sigjmp_buf out;
static void on_segv(int number) {
    (void)number;
    siglongjmp(out, 1);
}
static int writable(volatile char *p) {
    if (sigsetjmp(out, 1))
        return 0;
    *p = *p;
    return 1;
}
static int mapped(volatile char *p) {
    if (sigsetjmp(out, 1))
        return 0;
    (void)*p;
    return 1;
}

int main(void) {
    enum { RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };
    signal(SIGSEGV, on_segv);
    char *p = OK(mmap(NULL, 8 * PAGE, RW, ANON, -1, 0));
    memset(p, 'm', 8 * PAGE);
    OK(munmap(p + 4 * PAGE, PAGE));
    FAILS(mprotect(p + 2 * PAGE, 4 * PAGE, PROT_READ), ENOMEM);
    CHECK(!writable(p + 2 * PAGE) && !writable(p + 3 * PAGE) && writable(p + 5 * PAGE));
    OK(mprotect(p + 2 * PAGE, 2 * PAGE, RW));
    /* madvise goes on behind the hole, and then says so. */
    FAILS(madvise(p + 3 * PAGE, 3 * PAGE, MADV_DONTNEED), ENOMEM);
    CHECK(p[2 * PAGE] == 'm' && p[3 * PAGE] == 0 && p[5 * PAGE] == 0 && p[6 * PAGE] == 'm');
    /* A child without the pages of a range that has a hole in it. */
    FAILS(madvise(p + 3 * PAGE, 3 * PAGE, MADV_WIPEONFORK), ENOMEM);
    memset(p + 3 * PAGE, 'w', PAGE);
    memset(p + 5 * PAGE, 'w', PAGE);
    pid_t pid = OK(fork());
    if (pid == 0)
        _exit((p[3 * PAGE] == 0) + (p[5 * PAGE] == 0) * 2 + (p[6 * PAGE] == 0) * 4);
    expect_exit(pid, 3);
    /* The destination is unmapped before it turns out that the source is not there. */
    char *to = OK(mmap(NULL, 2 * PAGE, RW, ANON, -1, 0));
    char *from = OK(mmap(NULL, 3 * PAGE, RW, ANON, -1, 0));
    OK(munmap(from + PAGE, PAGE));
    FAILS((long)mremap(from, 3 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to), EFAULT);
    int left = mapped(to) + 2 * mapped(from) + 4 * mapped(from + 2 * PAGE);
    say("after the failed move: %d", left);
    /* A range that ends in a hole is moved and shrunk in steps. */
    char *area = OK(mmap(NULL, 8 * PAGE, RW, ANON, -1, 0));
    memset(area, 'a', 8 * PAGE);
    long r = (long)mremap(area, 8 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 2 * PAGE);
    say("overlapping move: %s, %d%d%d%d", r == -1 ? "refused" : "done", mapped(area), mapped(area + 3 * PAGE),
        mapped(area + 5 * PAGE), mapped(area + 7 * PAGE));
    /* A read that meets the end of memory has filled what was there. */
    make_file("f", "0123456789abcdef", 16);
    int fd = OK(open("f", O_RDONLY));
    char *edge = OK(mmap(NULL, 2 * PAGE, RW, ANON, -1, 0));
    OK(munmap(edge + PAGE, PAGE));
    long n = pread(fd, edge + PAGE - 6, 16, 0);
    say("read at the edge: %ld, %.6s", n, edge + PAGE - 6);
    n = syscall(SYS_getrandom, edge + PAGE - 6, 16, 0);
    say("random at the edge: %ld, %016lx", n, (unsigned long)hash(edge + PAGE - 6, 6));
    struct iovec v[2] = {{edge, 4}, {edge + PAGE - 2, 12}};
    n = preadv(fd, v, 2, 0);
    say("vector at the edge: %ld, %016lx", n, (unsigned long)hash(edge, PAGE));
    int pipes[2];
    OK(pipe(pipes));
    write_all(pipes[1], "0123456789abcdef", 16);
    n = read(pipes[0], edge + PAGE - 6, 16);
    say("pipe at the edge: %ld, %.6s", n, edge + PAGE - 6);
    FAILS(pipe((int *)(void *)(edge + PAGE - 4)), EFAULT);
    n = syscall(SYS_clock_gettime, CLOCK_REALTIME, edge + PAGE - 8);
    say("half a time: %ld, %016lx", n, (unsigned long)hash(edge + PAGE - 8, 8));
    n = syscall(SYS_uname, edge + PAGE - 100);
    say("half a name: %ld, %016lx", n, (unsigned long)hash(edge + PAGE - 100, 100));
    n = syscall(SYS_newfstatat, AT_FDCWD, "f", edge + PAGE - 24, 0);
    say("half a status: %ld, %016lx", n, (unsigned long)hash(edge + PAGE - 24, 24));
    n = syscall(SYS_getcwd, edge + PAGE - 4, 4096);
    say("half a directory: %ld, %016lx", n, (unsigned long)hash(edge + PAGE - 4, 4));
    return 0;
}
