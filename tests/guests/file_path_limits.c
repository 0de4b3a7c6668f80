/* Paths at the limits: the longest, one longer, at the end of memory, running into a hole, empty, deep, with loops. */
#include "guest.h"

int main(void) {
    static char path[5000];
    /* "./././…/f" of exactly n characters. */
    make_file("f", "found", 5);
    for (int n = 4090; n <= 4100; n++) {
        for (int i = 0; i < n - 1; i++)
            path[i] = i % 2 == n % 2 ? '/' : '.';
        path[n - 1] = 'f';
        path[0] = '.';
        path[1] = n % 2 ? '/' : path[1];
        path[n] = 0;
        int fd = open(path, O_RDONLY);
        if (n % 2)
            CHECK(fd >= 0 ? n < 4096 : errno == ENAMETOOLONG && n >= 4096);
        say("%d characters: %d", n, fd);
        if (fd >= 0)
            OK(close(fd));
    }
    memset(path, 'n', sizeof path);
    path[255] = 0;
    OK(close(OK(open(path, O_CREAT | O_WRONLY, 0600))));
    path[255] = 'n';
    path[256] = 0;
    FAILS(open(path, O_CREAT | O_WRONLY, 0600), ENAMETOOLONG);
    char *p = OK(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OK(munmap(p + 2 * PAGE, PAGE));
    memcpy(p + PAGE - 2, "./f", 4);
    OK(access(p + PAGE - 2, R_OK));
    memcpy(p + 2 * PAGE - 4, "./f", 4);
    OK(access(p + 2 * PAGE - 4, R_OK));
    memcpy(p + 2 * PAGE - 3, "./f", 3);
    FAILS(access(p + 2 * PAGE - 3, R_OK), EFAULT);
    FAILS(syscall(SYS_access, NULL, R_OK), EFAULT);
    FAILS(access("", R_OK), ENOENT);
    FAILS(access("f/", R_OK), ENOTDIR);
    FAILS(access("f/x", R_OK), ENOTDIR);
    OK(symlink("loop-b", "loop-a"));
    OK(symlink("loop-a", "loop-b"));
    FAILS(access("loop-a", R_OK), ELOOP);
    FAILS(open("loop-a", O_RDONLY | O_NOFOLLOW), ELOOP);
    /* Deeper than a path can tell. */
    char start[4096];
    CHECK(getcwd(start, sizeof start));
    memset(path, 'd', 200);
    path[200] = 0;
    for (int i = 0; i < 30; i++) {
        OK(mkdir(path, 0700));
        OK(chdir(path));
    }
    static char deep[10000];
    FAILS(syscall(SYS_getcwd, deep, sizeof deep), ENAMETOOLONG);
    long n = readlink("/proc/self/cwd", deep, sizeof deep);
    say("the link to it: %ld", n < 0 ? -errno : n);
    for (int i = 0; i < 30; i++) {
        OK(chdir(".."));
        OK(rmdir(path));
    }
    char end[4096];
    CHECK(getcwd(end, sizeof end) && strcmp(start, end) == 0);
    return 0;
}
