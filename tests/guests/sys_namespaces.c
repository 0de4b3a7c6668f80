/* Namespace links, and unshare with setns where allowed. */
#include "guest.h"
#include <sys/utsname.h>

int main(void) {
    static const char *const kinds[] = {"uts", "pid", "net", "mnt", "ipc", "user", "cgroup", "time"};
    char path[64], link[64];
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        ssize_t n = readlink(path, link, sizeof link - 1);
        if (n < 0)
            continue;
        link[n] = 0;
        say("%s", link);
    }
    int fd = OK(open("/proc/self/ns/uts", O_RDONLY));
    pid_t pid = OK(fork());
    if (pid == 0) {
        int r = unshare(CLONE_NEWUTS);
        say("unshare %d", r);
        if (r == 0) {
            OK(sethostname("inner", 5));
            struct utsname u;
            OK(uname(&u));
            CHECK(strcmp(u.nodename, "inner") == 0);
            OK(setns(fd, CLONE_NEWUTS));
            OK(uname(&u));
            CHECK(strcmp(u.nodename, "inner") != 0);
        } else {
            CHECK_EQ(errno, EPERM);
        }
        OK(unshare(CLONE_FILES | CLONE_FS));
        _exit(0);
    }
    expect_exit(pid, 0);
    FAILS(unshare(0x1), EINVAL);
    return 0;
}
