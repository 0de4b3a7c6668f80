/* A server's start: as root it opens what it needs, then gives its rights up, forks and executes. */
#include "guest.h"
#include <grp.h>
#include <sys/prctl.h>

int main(int argc, char **argv) {
    if (argc == 2) {
        CHECK(getuid() == 65534 && geteuid() == 65534 && getgid() == 65534);
        FAILS(setuid(0), EPERM);
        say("the new program is %d of user %d", (int)getpid(), (int)getuid());
        return 3;
    }
    if (getuid() != 0) {
        say("not root");
        return 0;
    }
    int before = OK(open("opened-before", O_RDWR | O_CREAT, 0600));
    OK(chmod(".", 0755));
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(setgroups(0, NULL));
        OK(setresgid(65534, 65534, 65534));
        OK(setresuid(65534, 65534, 65534));
        CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
        FAILS(open("opened-before", O_RDONLY), EACCES);
        write_all(before, "still open", 10);
        FAILS(setuid(0), EPERM);
        FAILS(kill(getppid(), 0), EPERM);
        char status[4096] = {0};
        int fd = open("/proc/self/status", O_RDONLY);
        say("own status %s", fd >= 0 ? "readable" : "not readable");
        if (fd >= 0) {
            read_to_end(fd, status, sizeof status - 1);
            CHECK(strstr(status, "Uid:\t65534\t65534\t65534\t65534"));
        }
        /* Threads and memory work as before. */
        char *map = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
        pid_t child = OK(fork());
        if (child == 0) {
            map[0] = 'c';
            uint64_t r;
            CHECK_EQ(syscall(SYS_getrandom, &r, sizeof r, 0), 8);
            say("child %d random %016lx", (int)getpid(), (unsigned long)r);
            _exit(7);
        }
        expect_exit(child, 7);
        CHECK_EQ(map[0], 'c');
        OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        char *const arguments[] = {argv[0], (char *)"dropped", NULL};
        execv(argv[0], arguments);
        guest_fail(__FILE__, __LINE__, "execv");
    }
    expect_exit(pid, 3);
    char back[10];
    CHECK_EQ(pread(before, back, sizeof back, 0), 10);
    /* Only the effective ids, and back again. */
    OK(seteuid(1234));
    FAILS(chown("opened-before", 1, 1), EPERM);
    OK(seteuid(0));
    OK(chown("opened-before", 1, 1));
    return 0;
}
