/* process_vm_readv and writev between parent and child, and /proc/PID/mem. */
#include "guest.h"
#include <sys/prctl.h>
#include <sys/uio.h>

static char secret[64] = "parent's value";

int main(void) {
    int to_child[2], to_parent[2];
    OK(pipe(to_child));
    OK(pipe(to_parent));
    pid_t pid = OK(fork());
    if (pid == 0) {
        strcpy(secret, "child's value");
        write_all(to_parent[1], "r", 1);
        char c;
        read_exactly(to_child[0], &c, 1);
        say("child sees %s", secret);
        _exit(strcmp(secret, "poked by parent") == 0 ? 0 : 1);
    }
    char c, copy[64];
    read_exactly(to_parent[0], &c, 1);
    struct iovec local = {copy, sizeof copy}, remote = {secret, sizeof secret};
    ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
    if (n >= 0) {
        CHECK_EQ(n, 64);
        CHECK(strcmp(copy, "child's value") == 0);
        strcpy(copy, "poked by parent");
        CHECK_EQ(process_vm_writev(pid, &local, 1, &remote, 1, 0), 64);
    } else {
        CHECK(errno == EPERM || errno == ENOSYS);
        say("not allowed: %d", errno);
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
        int fd = OK(open(path, O_RDWR));
        CHECK_EQ(pwrite(fd, "poked by parent", 16, (off_t)(uintptr_t)secret), 16);
    }
    CHECK(strcmp(secret, "parent's value") == 0);
    write_all(to_child[1], "g", 1);
    expect_exit(pid, 0);
    struct iovec bad = {(void *)8, 8};
    FAILS(process_vm_readv(getpid(), &local, 1, &bad, 1, 0), EFAULT);
    return 0;
}
