/* A new root directory with nothing but this (static) program in it: executed there, it executes itself again. */
#include "guest.h"

static void copy_self(const char *to) {
    int in = OK(open("/proc/self/exe", O_RDONLY)), out = OK(open(to, O_WRONLY | O_CREAT | O_EXCL, 0755));
    static char block[65536];
    size_t n;
    while ((n = read_to_end(in, block, sizeof block)) > 0)
        write_all(out, block, n);
    OK(close(in));
    OK(close(out));
}

int main(int argc, char **argv) {
    if (argc == 2) {
        int round = atoi(argv[1]);
        FAILS(access("/usr", F_OK), ENOENT);
        struct timespec now;
        OK(clock_gettime(CLOCK_REALTIME, &now));
        say("round %d in the new root: %d at %ld.%09ld", round, (int)getpid(), (long)now.tv_sec, now.tv_nsec);
        if (round == 0)
            return 6;
        char next[12];
        snprintf(next, sizeof next, "%d", round - 1);
        char *const arguments[] = {argv[0], next, NULL};
        execv("/program", arguments);
        return 1;
    }
    OK(mkdir("root", 0755));
    copy_self("root/program");
    pid_t pid = OK(fork());
    if (pid == 0) {
        if (chroot("root") != 0) {
            CHECK_EQ(errno, EPERM);
            say("not allowed");
            _exit(6);
        }
        OK(chdir("/"));
        char *const arguments[] = {(char *)"program", (char *)"2", NULL};
        execv("/program", arguments);
        guest_fail(__FILE__, __LINE__, "execv");
    }
    expect_exit(pid, 6);
    return 0;
}
