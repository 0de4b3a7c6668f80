/* mkdir, rmdir, chdir, fchdir, getcwd, also when the directory is gone; chroot where allowed. */
#include "guest.h"

int main(void) {
    char start[PATH_MAX], here[PATH_MAX], want[PATH_MAX + 16];
    CHECK(getcwd(start, sizeof start));
    say("started in a path of %zu bytes", strlen(start));
    int home = OK(open(".", O_RDONLY | O_DIRECTORY));
    OK(mkdir("a", 0755));
    OK(mkdirat(home, "a/b", 0700));
    FAILS(mkdir("a", 0700), EEXIST);
    FAILS(mkdir("x/y", 0700), ENOENT);
    OK(chdir("a/b"));
    CHECK(getcwd(here, sizeof here));
    snprintf(want, sizeof want, "%s/a/b", start);
    CHECK(strcmp(here, want) == 0);
    FAILS(syscall(SYS_getcwd, here, 2), ERANGE);
    OK(chdir(".."));
    OK(rmdir("b"));
    OK(fchdir(home));
    CHECK(getcwd(here, sizeof here) && strcmp(here, start) == 0);
    FAILS(chdir("nothing"), ENOENT);
    make_file("plain", "", 0);
    FAILS(chdir("plain"), ENOTDIR);
    FAILS(rmdir("plain"), ENOTDIR);

    /* The working directory of a process that has lost it. */
    OK(mkdir("lost", 0700));
    OK(chdir("lost"));
    OK(rmdir("../lost"));
    errno = 0;
    CHECK(getcwd(here, sizeof here) == NULL && errno == ENOENT);
    FAILS(open("new", O_CREAT | O_RDWR, 0600), ENOENT);
    OK(fchdir(home));
    pid_t pid = OK(fork());
    if (pid == 0) {
        int r = chroot("a");
        say("chroot %d", r);
        if (r == 0) {
            OK(chdir("/"));
            CHECK(getcwd(here, sizeof here) && strcmp(here, "/") == 0);
            FAILS(open("/plain", O_RDONLY), ENOENT);
        } else {
            CHECK(errno == EPERM);
        }
        _exit(4);
    }
    expect_exit(pid, 4);
    OK(access("plain", F_OK));
    return 0;
}
