/* Arguments that the kernel takes as 32 bits, with rubbish in the upper halves of their registers. */
#include "guest.h"

#define DIRTY(value) ((long)((unsigned long)(unsigned)(value) | 0xabcd123400000000ul))

static long call(long nr, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long r;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
}

int main(void) {
    char text[64];
    int n = snprintf(text, sizeof text, "written by %d to a dirty descriptor\n", (int)getpid());
    CHECK_EQ(call(SYS_write, DIRTY(1), (long)text, n, 0, 0, 0), n);
    long fd = call(SYS_openat, DIRTY(AT_FDCWD), (long)"f", DIRTY(O_RDWR | O_CREAT), DIRTY(0600), 0, 0);
    CHECK(fd >= 0);
    CHECK_EQ(call(SYS_ftruncate, DIRTY(fd), (long)PAGE, 0, 0, 0, 0), 0);
    /* mmap takes protection and flags whole, the descriptor by half. */
    char *map = (char *)call(SYS_mmap, 0, (long)PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, DIRTY(fd), 0);
    CHECK((unsigned long)map < 0xfffffffffffff000ul);
    CHECK_EQ(call(SYS_pwrite64, DIRTY(fd), (long)"changed", 7, 100, 0, 0), 7);
    CHECK(memcmp(map + 100, "changed", 7) == 0);
    long copy = call(SYS_dup2, DIRTY(1), DIRTY(77), 0, 0, 0, 0);
    CHECK_EQ(copy, 77);
    CHECK_EQ(call(SYS_write, DIRTY(77), (long)"through a copy\n", 15, 0, 0, 0), 15);
    CHECK_EQ(call(SYS_fcntl, DIRTY(77), DIRTY(F_GETFD), 0, 0, 0, 0), 0);
    CHECK_EQ(call(SYS_close, DIRTY(77), 0, 0, 0, 0, 0), 0);
    int word = 5;
    CHECK_EQ(call(SYS_futex, (long)&word, DIRTY(0 | 128), DIRTY(6), 0, 0, 0), -EAGAIN);
    CHECK_EQ(call(SYS_futex, (long)&word, DIRTY(1 | 128), DIRTY(1), 0, 0, 0), 0);
    CHECK_EQ(call(SYS_kill, DIRTY(getpid()), DIRTY(0), 0, 0, 0, 0), 0);
    struct timespec now = {0, 0};
    CHECK_EQ(call(SYS_clock_gettime, DIRTY(CLOCK_REALTIME), (long)&now, 0, 0, 0, 0), 0);
    pid_t pid = OK(fork());
    if (pid == 0)
        call(SYS_exit_group, DIRTY(9), 0, 0, 0, 0, 0);
    int status = 0;
    CHECK_EQ(call(SYS_wait4, DIRTY(pid), (long)&status, DIRTY(0), 0, 0, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 9);
    CHECK_EQ(call(SYS_madvise, (long)map, (long)PAGE, DIRTY(MADV_NORMAL), 0, 0, 0), 0);
    say("descriptor %ld, map %p, now %ld.%09ld", fd, (void *)map, (long)now.tv_sec, now.tv_nsec);
    return 0;
}
