/* Failed execs leave the caller untouched: ENOENT, EACCES, ENOEXEC, E2BIG, ENOTDIR, EFAULT, ELOOP. */
#include "guest.h"

extern char **environ;

int main(int argc, char **argv) {
    (void)argc;
    char *const one[] = {argv[0], NULL};
    FAILS(execve("./nothing", one, environ), ENOENT);
    make_file("plain", "data", 4);
    FAILS(execve("./plain", one, environ), EACCES);
    OK(chmod("plain", 0755));
    FAILS(execve("./plain", one, environ), ENOEXEC);
    FAILS(execve(".", one, environ), EACCES);
    FAILS(execve("./plain/x", one, environ), ENOTDIR);
    make_file("bad", "#!/no/such/interpreter\n", 23);
    OK(chmod("bad", 0755));
    FAILS(execve("./bad", one, environ), ENOENT);
    make_file("empty", "", 0);
    OK(chmod("empty", 0755));
    FAILS(execve("./empty", one, environ), ENOEXEC);
    make_file("elf", "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\76\0", 20);
    OK(chmod("elf", 0755));
    FAILS(execve("./elf", one, environ), ENOEXEC);
    char *volatile nowhere = (char *)1;
    FAILS(execve(nowhere, one, environ), EFAULT);
    size_t size = 3 << 20;
    char *huge = malloc(size);
    CHECK(huge);
    memset(huge, 'x', size - 1);
    huge[size - 1] = 0;
    char *const big[] = {argv[0], huge, NULL};
    FAILS(execve("/proc/self/exe", big, environ), E2BIG);
    int fd = OK(open("busy", O_RDWR | O_CREAT, 0755));
    write_all(fd, "#!/bin/sh\n", 10);
    FAILS(execve("./busy", one, environ), ETXTBSY);
    say("still %d after ten failures", (int)getpid());
    return 0;
}
