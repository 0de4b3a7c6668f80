/* Numbers that are no system call, and calls the kernel no longer has: ENOSYS, not the end. */
#include "guest.h"

int main(void) {
    FAILS(syscall(5000), ENOSYS);
    FAILS(syscall(400), ENOSYS);
    FAILS(syscall(0x7fffffff), ENOSYS);
    FAILS(syscall(SYS_create_module, 0, 0), ENOSYS);
    FAILS(syscall(SYS_getpmsg), ENOSYS);
    FAILS(syscall(SYS_afs_syscall), ENOSYS);
    FAILS(syscall(SYS_vserver), ENOSYS);
    FAILS(syscall(SYS_epoll_ctl_old), ENOSYS);
    /* -1 is what a tracer writes to skip a call. */
    FAILS(syscall(-1), ENOSYS);
    say("eight absent calls");
    return 0;
}
