/* getdents64, the old getdents, readdir with telldir/seekdir, scandir, nftw. */
#include "guest.h"
#include <dirent.h>
#include <ftw.h>

static int seen;
static int visit(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)path, (void)st, (void)kind, (void)where;
    seen++;
    return 0;
}

int main(void) {
    OK(mkdir("d", 0755));
    char name[64];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "d/entry-number-%03d", i);
        OK(mknod(name, S_IFREG | 0600, 0));
    }
    int fd = OK(open("d", O_RDONLY | O_DIRECTORY));
    static char buffer[2048];
    int count = 0, calls = 0;
    uint64_t order = 0;
    for (;;) {
        long n = OK(syscall(SYS_getdents64, fd, buffer, sizeof buffer));
        calls++;
        if (n == 0)
            break;
        for (long at = 0; at < n;) {
            struct dirent64 *d = (struct dirent64 *)(buffer + at);
            order = order * 31 + hash(d->d_name, strlen(d->d_name)) + d->d_ino + (uint64_t)d->d_off;
            count++;
            at += d->d_reclen;
        }
    }
    CHECK_EQ(count, 302);
    say("%d entries in %d calls, order %016lx", count, calls, (unsigned long)order);
    OK(lseek(fd, 0, SEEK_SET));
    long n = OK(syscall(SYS_getdents, fd, buffer, sizeof buffer));
    say("old getdents %ld bytes, hash %016lx", n, (unsigned long)hash(buffer, (size_t)n));
    FAILS(syscall(SYS_getdents64, fd, buffer, 4), EINVAL);
    OK(close(fd));

    DIR *dir = opendir("d");
    CHECK(dir);
    struct dirent *entry;
    long middle = -1;
    char after[256] = "";
    for (int i = 0; (entry = readdir(dir)); i++) {
        if (i == 150)
            middle = telldir(dir);
        if (i == 151)
            strcpy(after, entry->d_name);
    }
    seekdir(dir, middle);
    entry = readdir(dir);
    CHECK(entry && strcmp(entry->d_name, after) == 0);
    say("entry 151 is %s at %ld", after, middle);
    rewinddir(dir);
    CHECK(readdir(dir));
    closedir(dir);
    struct dirent **list;
    CHECK_EQ(scandir("d", &list, NULL, alphasort), 302);
    CHECK(strcmp(list[301]->d_name, "entry-number-299") == 0);
    OK(nftw("d", visit, 8, FTW_PHYS));
    CHECK_EQ(seen, 301);
    return 0;
}
