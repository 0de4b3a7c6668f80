/* The call's number is the lower half of rax, signed; negative and x32 numbers do not exist. */
#include "guest.h"

static long call(unsigned long nr, long a, long b, long c) {
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}

int main(void) {
    CHECK_EQ(call(SYS_getpid, 0, 0, 0), getpid());
    /* Since Linux 5.14 the upper half does not count. */
    CHECK_EQ(call(0x500000000ul | SYS_getppid, 0, 0, 0), getppid());
    CHECK_EQ(call(0xffffffff00000000ul | SYS_write, 1, (long)"written so\n", 11), 11);
    say("pid %d", (int)getpid());
    CHECK_EQ(call(-1ul, 0, 0, 0), -ENOSYS);
    CHECK_EQ(call(0xfffffffful, 0, 0, 0), -ENOSYS);
    CHECK_EQ(call(0x80000000ul, 0, 0, 0), -ENOSYS);
    CHECK_EQ(call(0x40000000ul | SYS_getpid, 0, 0, 0), -ENOSYS);
    CHECK_EQ(call(0x7ffffffful, 0, 0, 0), -ENOSYS);
    CHECK_EQ(call(512, 0, 0, 0), -ENOSYS);
    return 0;
}
