/* Programs that have no file: from a memfd, from a deleted file, from a file that is replaced, and themselves. */
#include "guest.h"

static void copy_to(int out) {
    int in = OK(open("/proc/self/exe", O_RDONLY));
    char block[65536];
    size_t n;
    while ((n = read_to_end(in, block, sizeof block)) > 0)
        write_all(out, block, n);
    OK(close(in));
}

int main(int argc, char **argv) {
    if (getenv("NO_ARGUMENTS")) {
        say("%d arguments", argc);
        return 0;
    }
    if (argc == 3) {
        char exe[300] = {0};
        OK(readlink("/proc/self/exe", exe, sizeof exe - 1));
        say("%s: %d runs %s", argv[1], (int)getpid(), strrchr(exe, '/'));
        CHECK(strstr(exe, argv[2]));
        /* It can copy itself once more, from wherever it came. */
        int fd = OK(memfd_create("copy", 0));
        copy_to(fd);
        CHECK(lseek(fd, 0, SEEK_END) > 10000);
        return (int)strlen(argv[1]);
    }
    pid_t pid = OK(fork());
    if (pid == 0) {
        int fd = OK(memfd_create("a program", MFD_CLOEXEC));
        copy_to(fd);
        char *const arguments[] = {argv[0], (char *)"memfd", (char *)"a program", NULL};
        fexecve(fd, arguments, environ);
        guest_fail(__FILE__, __LINE__, "fexecve");
    }
    expect_exit(pid, 5);
    pid = OK(fork());
    if (pid == 0) {
        int fd = OK(memfd_create("sealed", MFD_ALLOW_SEALING));
        copy_to(fd);
        OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
        char *const arguments[] = {argv[0], (char *)"sealed", (char *)"sealed", NULL};
        syscall(SYS_execveat, fd, "", arguments, environ, AT_EMPTY_PATH);
        guest_fail(__FILE__, __LINE__, "execveat");
    }
    expect_exit(pid, 6);
    for (int i = 0; i < 2; i++) {
        pid = OK(fork());
        if (pid == 0) {
            int fd = OK(open("program", O_WRONLY | O_CREAT | O_EXCL, 0700));
            copy_to(fd);
            OK(close(fd));
            fd = OK(open("program", O_PATH | O_CLOEXEC));
            if (i == 0) {
                OK(unlink("program"));
            } else {
                make_file("other", "#!/bin/false\n", 13);
                OK(rename("other", "program"));
            }
            char *const arguments[] = {argv[0], (char *)"deleted", (char *)"program", NULL};
            fexecve(fd, arguments, environ);
            guest_fail(__FILE__, __LINE__, "fexecve");
        }
        expect_exit(pid, 7);
    }
    /* No arguments at all: the kernel adds an empty one (since 5.18). */
    pid = OK(fork());
    if (pid == 0) {
        OK(setenv("NO_ARGUMENTS", "1", 1));
        OK(unlink("program"));
        syscall(SYS_execve, "/proc/self/exe", NULL, environ);
        guest_fail(__FILE__, __LINE__, "execve");
    }
    expect_exit(pid, 0);
    return 0;
}
