/* stat, lstat, fstat, newfstatat, statx, statfs, fstatfs, ustat. */
#include "guest.h"
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static void show(const char *name, const struct stat *st) {
    say("%s dev %lu ino %lu mode %o nlink %lu uid %u gid %u size %ld blocks %ld m %ld.%09ld c %ld.%09ld", name,
        (unsigned long)st->st_dev, (unsigned long)st->st_ino, st->st_mode, (unsigned long)st->st_nlink, st->st_uid,
        st->st_gid, (long)st->st_size, (long)st->st_blocks, (long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
        (long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

int main(void) {
    make_file("file", "0123456789", 10);
    OK(symlink("file", "link"));
    struct stat a, b, c;
    OK(stat("link", &a));
    OK(lstat("link", &b));
    int fd = OK(open("file", O_RDONLY));
    OK(fstat(fd, &c));
    CHECK(S_ISREG(a.st_mode) && S_ISLNK(b.st_mode) && a.st_ino == c.st_ino && a.st_ino != b.st_ino);
    CHECK(a.st_size == 10 && b.st_size == 4);
    show("stat", &a);
    show("lstat", &b);
    OK(fstatat(AT_FDCWD, "link", &b, AT_SYMLINK_NOFOLLOW));
    CHECK(S_ISLNK(b.st_mode));
    OK(fstatat(fd, "", &b, AT_EMPTY_PATH));
    CHECK(b.st_ino == c.st_ino);
    FAILS(stat("nothing", &a), ENOENT);
    FAILS(fstat(99, &a), EBADF);

    struct statx x;
    OK(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS | STATX_BTIME, &x));
    CHECK(x.stx_ino == c.st_ino && x.stx_size == 10);
    CHECK(makedev(x.stx_dev_major, x.stx_dev_minor) == c.st_dev);
    say("statx mask %x attributes %lx born %ld.%09u", x.stx_mask, (unsigned long)x.stx_attributes,
        (long)x.stx_btime.tv_sec, x.stx_btime.tv_nsec);
    OK(statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE, &x));
    CHECK_EQ(x.stx_size, 10);

    struct statfs s, t;
    OK(statfs(".", &s));
    OK(fstatfs(fd, &t));
    CHECK(s.f_type == t.f_type && s.f_bsize == t.f_bsize);
    say("statfs type %lx bsize %ld blocks %lu free %lu files %lu namelen %ld", (unsigned long)s.f_type,
        (long)s.f_bsize, (unsigned long)s.f_blocks, (unsigned long)s.f_bfree, (unsigned long)s.f_files,
        (long)s.f_namelen);
    OK(statfs("/proc", &s));
    CHECK_EQ(s.f_type, 0x9fa0);
    /* The oldest form, whose record has its own layout. */
    struct {
        int free;
        unsigned long inodes;
        char names[12];
    } u;
    long r = syscall(SYS_ustat, (unsigned)c.st_dev, &u);
    say("ustat %ld %d", r, r ? errno : 0);
    return 0;
}
