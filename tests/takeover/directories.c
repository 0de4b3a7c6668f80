/* Directories that are listed piece by piece, one to its end, and working directories: one that
 * moves, one that is gone. */
#include "../guests/guest.h"
#include <dirent.h>

enum { FILES = 40 };

/* The kernel gives a few entries at a time. */
static int list(int dir, int seen[FILES]) {
    char bytes[128];
    int n = (int)OK(syscall(SYS_getdents64, dir, bytes, sizeof bytes));
    for (int at = 0; at < n;) {
        struct dirent64 *entry = (void *)(bytes + at);
        if (entry->d_name[0] == 'f')
            seen[atoi(entry->d_name + 1)]++;
        at += entry->d_reclen;
    }
    return n;
}

int main(void) {
    OK(mkdir("many", 0755));
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "many/f%d", i);
        OK(close(OK(open(name, O_CREAT | O_WRONLY, 0644))));
    }
    int dir = OK(open("many", O_RDONLY | O_DIRECTORY)), other = dup(dir);
    int seen[FILES] = {0};
    while (list(dir, seen) > 0)
        if (list(other, seen) == 0)
            break;
    for (int i = 0; i < FILES; i++)
        CHECK_EQ(seen[i], 1);
    CHECK_EQ(list(dir, seen), 0);
    OK(lseek(dir, 0, SEEK_SET));
    CHECK(list(dir, seen) > 0);
    say("listed");
    OK(mkdir("here", 0755));
    OK(chdir("here"));
    OK(mkdir("below", 0755));
    OK(chdir("below"));
    OK(rename("../../here", "../../there"));
    OK(close(OK(open("file", O_CREAT | O_WRONLY, 0644))));
    OK(access("../../there/below/file", F_OK));
    OK(unlink("file"));
    OK(rmdir("../below"));
    char path[PATH_MAX];
    FAILS(syscall(SYS_getcwd, path, sizeof path), ENOENT);
    FAILS(open("file", O_CREAT | O_WRONLY, 0644), ENOENT);
    FAILS(open("..", O_RDONLY | O_CREAT, 0644), EISDIR);
    OK(fchdir(dir));
    OK(access("f0", F_OK));
    say("moved");
    return 0;
}
