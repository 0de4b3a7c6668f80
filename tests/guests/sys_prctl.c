/* prctl: name, death signal, dumpable, no_new_privs, subreaper, timer slack, keep capabilities, TSC. */
#include "guest.h"
#include <sys/prctl.h>

int main(void) {
    char name[17] = {0};
    OK(prctl(PR_SET_NAME, "guest name is longer"));
    OK(prctl(PR_GET_NAME, name));
    CHECK(strcmp(name, "guest name is l") == 0);
    char path[64], comm[32] = {0};
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)getpid());
    int fd = OK(open(path, O_RDWR));
    CHECK_EQ(read(fd, comm, sizeof comm), 16);
    CHECK(memcmp(comm, name, 15) == 0);
    int value = -1;
    OK(prctl(PR_GET_PDEATHSIG, &value));
    CHECK_EQ(value, 0);
    OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    OK(prctl(PR_GET_PDEATHSIG, &value));
    CHECK_EQ(value, SIGUSR1);
    OK(prctl(PR_SET_PDEATHSIG, 0));
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
    OK(prctl(PR_SET_DUMPABLE, 0));
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
    OK(prctl(PR_SET_DUMPABLE, 1));
    OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    value = 0;
    OK(prctl(PR_GET_CHILD_SUBREAPER, &value));
    CHECK_EQ(value, 1);
    int before = OK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    say("no_new_privs was %d", before);
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    OK(prctl(PR_SET_TIMERSLACK, 12345));
    CHECK_EQ(prctl(PR_GET_TIMERSLACK), 12345);
    value = prctl(PR_GET_KEEPCAPS);
    say("keepcaps %d securebits %d", value, prctl(PR_GET_SECUREBITS));
    int tsc = 0;
    OK(prctl(PR_GET_TSC, &tsc));
    CHECK_EQ(tsc, PR_TSC_ENABLE);
    for (int cap = 0; cap < 5; cap++)
        say("bounding set %d: %d", cap, prctl(PR_CAPBSET_READ, cap));
    say("thp disabled %d", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    int r = prctl(PR_GET_SPECULATION_CTRL, 0, 0, 0, 0);
    say("speculation %d", r);
    r = prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0, 0, 0);
    say("vma name %d", r);
    FAILS(prctl(9999999, 0, 0, 0, 0), EINVAL);
    return 0;
}
