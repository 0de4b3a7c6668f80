/* A mount namespace, as root: tmpfs, bind mounts, a new root, a new /proc, and what is mapped from a filesystem that goes. */
#include "guest.h"
#include <sys/mount.h>
#include <sys/statfs.h>

int main(void) {
    pid_t pid = OK(fork());
    if (pid == 0) {
        if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) != 0) {
            say("not allowed, errno %d", errno);
            CHECK_EQ(errno, EPERM);
            _exit(0);
        }
        OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
        OK(mkdir("t", 0755));
        OK(mount("none", "t", "tmpfs", 0, "size=1m"));
        OK(sethostname("guest", 5));
        struct statfs s;
        OK(statfs("t", &s));
        CHECK_EQ(s.f_type, 0x01021994);
        static char data[2 * 4096];
        fill(data, sizeof data, 6);
        make_file("t/f", data, sizeof data);
        int fd = OK(open("t/f", O_RDWR));
        char *shared = OK(mmap(NULL, sizeof data, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        char *private = OK(mmap(NULL, sizeof data, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
        OK(close(fd));
        FAILS(umount2("t", 0), EBUSY);
        OK(mkdir("t/old", 0755));
        OK(mkdir("t/bound", 0755));
        OK(mount("/usr", "t/bound", NULL, MS_BIND, NULL));
        OK(mount(NULL, "t/bound", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
        FAILS(open("t/bound/x", O_CREAT | O_WRONLY, 0600), EROFS);
        /* The filesystem becomes the root. */
        OK(chdir("t"));
        OK(syscall(SYS_pivot_root, ".", "old"));
        OK(chdir("/"));
        OK(umount2("/old", MNT_DETACH));
        FAILS(access("/usr/bin", F_OK), ENOENT);
        OK(access("/bound/bin", F_OK));
        CHECK(memcmp(shared, data, sizeof data) == 0 && memcmp(private, data, sizeof data) == 0);
        shared[0] = 's';
        char c;
        fd = OK(open("/f", O_RDONLY));
        CHECK(read(fd, &c, 1) == 1 && c == 's');
        OK(close(fd));
        OK(mkdir("/proc", 0555));
        if (mount("proc", "/proc", "proc", 0, NULL) == 0) {
            char text[100] = {0};
            fd = OK(open("/proc/sys/kernel/hostname", O_RDONLY));
            CHECK(read(fd, text, sizeof text) == 6 && memcmp(text, "guest\n", 6) == 0);
        }
        pid_t child = OK(fork());
        if (child == 0) {
            shared[1] = 'c';
            char name[100] = {0};
            OK(gethostname(name, sizeof name));
            _exit(strcmp(name, "guest") == 0 ? 7 : 1);
        }
        expect_exit(child, 7);
        CHECK_EQ(shared[1], 'c');
        say("maps at %p %p, free %ld", (void *)shared, (void *)private, (long)s.f_bfree);
        _exit(0);
    }
    expect_exit(pid, 0);
    return 0;
}
