/* capget, capset, ambient capabilities: reading, dropping. */
#include "guest.h"
#include <linux/capability.h>
#include <sys/prctl.h>

int main(void) {
    struct __user_cap_header_struct head = {0, 0};
    struct __user_cap_data_struct data[2];
    long r = syscall(SYS_capget, &head, NULL);
    say("probe %ld, preferred version %x", r, head.version);
    CHECK_EQ(head.version, _LINUX_CAPABILITY_VERSION_3);
    OK(syscall(SYS_capget, &head, data));
    say("effective %x%08x permitted %x%08x", data[1].effective, data[0].effective, data[1].permitted,
        data[0].permitted);
    pid_t pid = OK(fork());
    if (pid == 0) {
        memset(data, 0, sizeof data);
        OK(syscall(SYS_capset, &head, data));
        OK(syscall(SYS_capget, &head, data));
        CHECK(data[0].effective == 0 && data[1].permitted == 0);
        data[0].effective = data[0].permitted = 1;
        FAILS(syscall(SYS_capset, &head, data), EPERM);
        _exit(0);
    }
    expect_exit(pid, 0);
    CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0), 0);
    head.pid = getpid();
    OK(syscall(SYS_capget, &head, data));
    head.pid = -3;
    FAILS(syscall(SYS_capget, &head, data), EINVAL);
    return 0;
}
