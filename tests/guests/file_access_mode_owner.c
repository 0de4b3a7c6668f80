/* access, faccessat2, chmod, chown families and umask. */
#include "guest.h"

static mode_t mode_of(const char *path) {
    struct stat st;
    OK(stat(path, &st));
    return st.st_mode & 07777;
}

int main(void) {
    mode_t before = umask(027);
    say("umask was %o", before);
    int fd = OK(open("f", O_RDWR | O_CREAT, 0777));
    CHECK_EQ(mode_of("f"), 0750);
    CHECK_EQ(umask(before), 027);
    OK(chmod("f", 0604));
    CHECK_EQ(mode_of("f"), 0604);
    OK(fchmod(fd, 0444));
    CHECK_EQ(mode_of("f"), 0444);
    OK(fchmodat(AT_FDCWD, "f", 0200, 0));
    CHECK_EQ(mode_of("f"), 0200);
    FAILS(chmod("nothing", 0600), ENOENT);
    OK(access("f", F_OK));
    OK(access("f", W_OK));
    FAILS(access("f", X_OK), EACCES);
    if (geteuid() != 0)
        FAILS(access("f", R_OK), EACCES);
    OK(faccessat(AT_FDCWD, "f", W_OK, 0));
    long r = syscall(SYS_faccessat2, AT_FDCWD, "f", W_OK, AT_EACCESS);
    say("faccessat2 %ld", r);
    FAILS(access("nothing", F_OK), ENOENT);
    OK(chown("f", (uid_t)-1, (gid_t)-1));
    OK(fchown(fd, getuid(), getgid()));
    OK(symlink("f", "l"));
    OK(lchown("l", getuid(), getgid()));
    OK(fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH));
    if (geteuid() == 0) {
        OK(chown("f", 1234, 5678));
        struct stat st;
        OK(fstat(fd, &st));
        CHECK(st.st_uid == 1234 && st.st_gid == 5678);
    } else {
        FAILS(chown("f", 0, 0), EPERM);
    }
    OK(chmod("f", 06755));
    say("mode %o by uid %u", mode_of("f"), getuid());
    return 0;
}
