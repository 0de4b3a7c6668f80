/* link, symlink, readlink, rename, renameat2, unlink, unlinkat. */
#include "guest.h"
#include <linux/fs.h>

static ino_t inode(const char *path) {
    struct stat st;
    OK(lstat(path, &st));
    return st.st_ino;
}

int main(void) {
    make_file("one", "1", 1);
    make_file("two", "22", 2);
    OK(link("one", "hard"));
    CHECK(inode("one") == inode("hard"));
    FAILS(link("one", "two"), EEXIST);
    OK(symlink("one", "soft"));
    OK(symlinkat("nowhere", AT_FDCWD, "dangling"));
    char text[PATH_MAX];
    CHECK_EQ(readlink("soft", text, sizeof text), 3);
    CHECK_EQ(readlink("soft", text, 2), 2);
    CHECK_EQ(readlinkat(AT_FDCWD, "dangling", text, sizeof text), 7);
    FAILS(readlink("one", text, sizeof text), EINVAL);
    FAILS(open("dangling", O_RDONLY), ENOENT);
    OK(linkat(AT_FDCWD, "soft", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
    CHECK(inode("followed") == inode("one"));

    ino_t one = inode("one"), two = inode("two");
    int r = renameat2(AT_FDCWD, "one", AT_FDCWD, "two", RENAME_NOREPLACE);
    CHECK(r == -1 && (errno == EEXIST || errno == EINVAL));
    r = renameat2(AT_FDCWD, "one", AT_FDCWD, "two", RENAME_EXCHANGE);
    say("exchange %d %d", r, r ? errno : 0);
    if (r == 0)
        CHECK(inode("one") == two && inode("two") == one);
    OK(rename("two", "one"));
    FAILS(access("two", F_OK), ENOENT);
    OK(mkdir("dir", 0700));
    OK(renameat(AT_FDCWD, "one", AT_FDCWD, "dir/one"));
    FAILS(rename("dir", "dir/inside"), EINVAL);
    FAILS(unlink("dir"), EISDIR);
    FAILS(rmdir("dir"), ENOTEMPTY);
    OK(unlinkat(AT_FDCWD, "dir/one", 0));
    OK(unlinkat(AT_FDCWD, "dir", AT_REMOVEDIR));
    OK(unlink("soft"));
    FAILS(unlink("soft"), ENOENT);
    say("inodes %lu %lu", (unsigned long)one, (unsigned long)two);
    /* An unlinked file lives on in its descriptor. */
    int fd = OK(open("ghost", O_RDWR | O_CREAT, 0600));
    OK(unlink("ghost"));
    write_all(fd, "still here", 10);
    CHECK_EQ(pread(fd, text, sizeof text, 0), 10);
    struct stat st;
    OK(fstat(fd, &st));
    CHECK_EQ(st.st_nlink, 0);
    snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
    char target[PATH_MAX] = {0};
    OK(readlink(text, target, sizeof target - 1));
    CHECK(strstr(target, "ghost (deleted)"));
    say("%s", target);
    return 0;
}
