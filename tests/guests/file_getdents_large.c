/* A directory of 1500 entries, read in pieces of several sizes, from the middle, and while it changes. */
#include "guest.h"
#include <dirent.h>

struct entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

int main(void) {
    enum { FILES = 1500 };
    OK(mkdir("d", 0700));
    char name[64];
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "d/entry number %d", i);
        OK(close(OK(open(name, O_CREAT | O_WRONLY, 0600))));
    }
    static char buffer[400000];
    static const size_t sizes[] = {64, 300, 4096, 32768, sizeof buffer};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int fd = OK(open("d", O_RDONLY | O_DIRECTORY));
        int count = 0, calls = 0;
        uint64_t all = 0;
        int64_t middle = 0;
        long n;
        while ((n = OK(syscall(SYS_getdents64, fd, buffer, sizes[i]))) > 0) {
            calls++;
            for (long at = 0; at < n;) {
                const struct entry *e = (const struct entry *)(const void *)(buffer + at);
                all += hash(e->name, strlen(e->name)) ^ e->inode;
                at += e->size;
                count++;
                if (count == FILES / 2)
                    middle = e->offset;
            }
        }
        CHECK_EQ(count, FILES + 2);
        OK(lseek(fd, middle, SEEK_SET));
        int rest = 0;
        while ((n = OK(syscall(SYS_getdents64, fd, buffer, sizes[i]))) > 0)
            for (long at = 0; at < n; rest++)
                at += ((const struct entry *)(const void *)(buffer + at))->size;
        say("%zu bytes at a time: %d calls, %016lx, behind the middle %d", sizes[i], calls, (unsigned long)all, rest);
        OK(close(fd));
    }
    DIR *d = opendir("d");
    CHECK(d);
    int removed = 0;
    struct dirent *e;
    while ((e = readdir(d)))
        if (e->d_name[0] != '.') {
            OK(unlinkat(dirfd(d), e->d_name, 0));
            removed++;
        }
    closedir(d);
    CHECK_EQ(removed, FILES);
    OK(rmdir("d"));
    return 0;
}
