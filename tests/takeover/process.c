/* What a process has set for itself: limits, umask, name, signals at its parent's end, orphans,
 * niceness, scheduling, CPUs, rights, an alternative stack, files without a name. */
#include "../guests/guest.h"
#include <elf.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static char stack[65536];
static volatile sig_atomic_t on_stack;

static void handler(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    char here;
    on_stack = &here > stack && &here < stack + sizeof stack;
}

static const char *name_here;

static void check(void) {
    char line[PATH_MAX];
    int file = OK(open("/proc/self/cmdline", O_RDONLY));
    CHECK_EQ(read_to_end(file, line, sizeof line), strlen(name_here) + 1);
    CHECK(strcmp(line, name_here) == 0);
    OK(close(file));
    unsigned long words[2];
    file = OK(open("/proc/self/auxv", O_RDONLY));
    do
        CHECK_EQ(read(file, words, sizeof words), sizeof words);
    while (words[0] != AT_PAGESZ);
    CHECK_EQ(words[1], PAGE);
    OK(close(file));
    struct rlimit limit;
    OK(getrlimit(RLIMIT_NOFILE, &limit));
    CHECK(limit.rlim_cur == 100 && limit.rlim_max == 200);
    OK(prlimit(0, RLIMIT_CORE, NULL, &limit));
    CHECK(limit.rlim_cur == 0);
    mode_t mask = umask(027);
    CHECK_EQ(mask, 027);
    char name[16];
    int value = -1;
    OK(prctl(PR_GET_NAME, name));
    CHECK(strcmp(name, "renamed") == 0);
    OK(prctl(PR_GET_CHILD_SUBREAPER, &value));
    CHECK_EQ(value, 1);
    OK(prctl(PR_GET_PDEATHSIG, &value));
    CHECK_EQ(value, SIGUSR2);
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    CHECK_EQ(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), 70000);
    CHECK_EQ(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0), 1);
    errno = 0;
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5);
    CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
    on_stack = 0;
    OK(raise(SIGUSR1));
    CHECK_EQ(on_stack, 1);
    CHECK_EQ(getpgrp(), getpid());
}

int main(int argc, char **argv) {
    CHECK_EQ(argc, 1);
    name_here = argv[0];
    OK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){100, 200}));
    OK(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
    umask(027);
    OK(prctl(PR_SET_NAME, "renamed"));
    OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    OK(prctl(PR_SET_PDEATHSIG, SIGUSR2));
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    OK(prctl(PR_SET_TIMERSLACK, 70000, 0, 0, 0));
    OK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    OK(setpriority(PRIO_PROCESS, 0, 5));
    OK(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0}));
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    OK(sigaltstack(&alternative, NULL));
    handle(SIGUSR1, handler, SA_ONSTACK);
    if (getpgrp() != getpid())
        OK(setpgid(0, 0));
    int nameless = OK(open(".", O_TMPFILE | O_RDWR, 0600));
    write_all(nameless, "nameless", 8);
    make_file("deleted", "0123456789", 10);
    int deleted = OK(open("deleted", O_RDWR | O_APPEND));
    OK(unlink("deleted"));
    int sealed = OK(memfd_create("sealed", MFD_ALLOW_SEALING));
    write_all(sealed, "sealed", 6);
    OK(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW));
    say("set");
    check();
    usleep(1000);
    check();
    char bytes[16];
    CHECK_EQ(pread(nameless, bytes, 16, 0), 8);
    CHECK(memcmp(bytes, "nameless", 8) == 0);
    CHECK_EQ(write(deleted, "abc", 3), 3);
    CHECK_EQ(pread(deleted, bytes, 16, 0), 13);
    CHECK(memcmp(bytes, "0123456789abc", 13) == 0);
    struct stat status;
    OK(fstat(deleted, &status));
    CHECK_EQ(status.st_nlink, 0);
    FAILS(pwrite(sealed, "x", 1, 0), EPERM);
    CHECK_EQ(pread(sealed, bytes, 16, 0), 6);
    pid_t child = OK(fork());
    if (child == 0) {
        if (OK(fork()) == 0) {
            /* Its parent is about to end, or has ended. */
            pid_t was = getppid();
            while (getppid() == was && was != getpgrp())
                usleep(500);
            _exit(getppid() == getpgrp() ? 7 : 8);
        }
        _exit(0);
    }
    expect_exit(child, 0);
    int code;
    OK(wait(&code));
    CHECK(WIFEXITED(code) && WEXITSTATUS(code) == 7);
    if (getuid() == 0) {
        OK(setgid(77));
        OK(setuid(78));
        usleep(1000);
        CHECK(getuid() == 78 && geteuid() == 78 && getegid() == 77);
        FAILS(setuid(0), EPERM);
    }
    say("kept");
    return 0;
}
