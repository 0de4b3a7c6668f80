/* fexecve, execveat by descriptor and path, execvp, and scripts with an interpreter line. */
#include "guest.h"

extern char **environ;

static pid_t start(void) {
    return OK(fork());
}

int main(int argc, char **argv) {
    if (argc > 1) {
        say("image %s as %s", argv[argc - 1], strrchr(argv[0], '/') ? "path" : argv[0]);
        return atoi(argv[argc - 1]);
    }
    char self[PATH_MAX] = {0};
    OK(readlink("/proc/self/exe", self, sizeof self - 1));
    char *const ten[] = {(char *)"fexecve", (char *)"10", NULL};
    pid_t pid = start();
    if (pid == 0) {
        int fd = OK(open(self, O_RDONLY | O_CLOEXEC));
        fexecve(fd, ten, environ);
        _exit(99);
    }
    expect_exit(pid, 10);
    char *const eleven[] = {(char *)"execveat", (char *)"11", NULL};
    pid = start();
    if (pid == 0) {
        OK(symlink(self, "name"));
        int dir = OK(open(".", O_RDONLY | O_DIRECTORY));
        syscall(SYS_execveat, dir, "name", eleven, environ, 0);
        _exit(99);
    }
    expect_exit(pid, 11);
    pid = start();
    if (pid == 0) {
        syscall(SYS_execveat, AT_FDCWD, "name", eleven, environ, AT_SYMLINK_NOFOLLOW);
        _exit(errno == ELOOP ? 12 : 99);
    }
    expect_exit(pid, 12);

    FILE *script = fopen("script", "w");
    CHECK(script);
    fprintf(script, "#!%s from the first line\n", self);
    fclose(script);
    OK(chmod("script", 0755));
    pid = start();
    if (pid == 0) {
        execl("./script", "script", "13", (char *)NULL);
        _exit(99);
    }
    expect_exit(pid, 13);
    script = fopen("shell", "w");
    CHECK(script);
    fprintf(script, "#!/bin/sh\necho shell script with $# arguments: $1\nexit 14\n");
    fclose(script);
    OK(chmod("shell", 0755));
    pid = start();
    if (pid == 0) {
        OK(setenv("PATH", ".:/usr/bin:/bin", 1));
        execlp("shell", "shell", "first", (char *)NULL);
        _exit(99);
    }
    expect_exit(pid, 14);
    /* No interpreter line at all: the kernel refuses, the library runs a shell. */
    make_file("bare", "exit 15\n", 8);
    OK(chmod("bare", 0755));
    pid = start();
    if (pid == 0) {
        execl("./bare", "bare", (char *)NULL);
        if (errno == ENOEXEC)
            execlp("./bare", "bare", (char *)NULL);
        _exit(99);
    }
    expect_exit(pid, 15);
    pid = start();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(99);
    }
    expect_exit(pid, 0);
    int m = OK(memfd_create("image", 0)), fd = OK(open(self, O_RDONLY));
    char block[65536];
    ssize_t n;
    while ((n = OK(read(fd, block, sizeof block))) > 0)
        write_all(m, block, (size_t)n);
    OK(close(fd));
    char *const sixteen[] = {(char *)"from memory", (char *)"16", NULL};
    pid = start();
    if (pid == 0) {
        fexecve(m, sixteen, environ);
        _exit(99);
    }
    expect_exit(pid, 16);
    return 0;
}
