/* User, group, session and process identities, and changing them where allowed. */
#include "guest.h"
#include <grp.h>
#include <sys/fsuid.h>

int main(void) {
    uid_t r, e, s;
    gid_t gr, ge, gs;
    OK(getresuid(&r, &e, &s));
    OK(getresgid(&gr, &ge, &gs));
    CHECK(r == getuid() && e == geteuid() && gr == getgid() && ge == getegid());
    say("uids %u %u %u gids %u %u %u", r, e, s, gr, ge, gs);
    say("pid %d ppid %d tid %ld pgid %d sid %d", (int)getpid(), (int)getppid(), syscall(SYS_gettid), (int)getpgrp(),
        (int)getsid(0));
    gid_t groups[100];
    int n = OK(getgroups(100, groups));
    CHECK_EQ(n, getgroups(0, NULL));
    say("%d supplementary groups", n);
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(setreuid(r, e));
        OK(setregid(gr, ge));
        CHECK_EQ(setfsuid(e), e);
        CHECK_EQ(setfsgid(ge), ge);
        if (e == 0) {
            gid_t mine[3] = {11, 22, 33};
            OK(setgroups(3, mine));
            CHECK_EQ(getgroups(100, groups), 3);
            CHECK(groups[0] == 11 && groups[2] == 33);
            OK(setresgid(500, 501, 502));
            OK(setresuid(600, 601, 602));
            OK(getresuid(&r, &e, &s));
            CHECK(r == 600 && e == 601 && s == 602);
            OK(seteuid(600));
            FAILS(setuid(0), EPERM);
            FAILS(setgroups(3, mine), EPERM);
        } else {
            FAILS(setuid(0), EPERM);
            FAILS(setgroups(1, groups), EPERM);
            OK(setuid(getuid()));
        }
        say("child is now %u/%u", getuid(), geteuid());
        _exit(0);
    }
    expect_exit(pid, 0);
    CHECK_EQ(getuid(), r);
    FAILS(getpgid(-5), ESRCH);
    return 0;
}
