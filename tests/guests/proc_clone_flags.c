/* clone with unusual flags: shared memory without a thread, shared files, CLONE_PARENT, CLONE_PIDFD. */
#include "guest.h"
#include <poll.h>

static char stack[65536] __attribute__((aligned(16)));
static volatile int shared, opened = -1;
static pid_t grandparent;

static int memory_child(void *argument) {
    shared = (int)(intptr_t)argument;
    return 7;
}

static int files_child(void *unused) {
    (void)unused;
    opened = open("by-child", O_RDWR | O_CREAT, 0600);
    _exit(0);
}

static int sibling(void *unused) {
    (void)unused;
    _exit(getppid() == grandparent ? 21 : 22);
}

static int plain_child(void *unused) {
    (void)unused;
    _exit(33);
}

int main(void) {
    void *top = stack + sizeof stack;
    int pid = OK(clone(memory_child, top, CLONE_VM | SIGCHLD, (void *)55));
    expect_exit(pid, 7);
    CHECK_EQ(shared, 55);

    pid = OK(clone(files_child, top, CLONE_VM | CLONE_FILES | SIGCHLD, NULL));
    expect_exit(pid, 0);
    CHECK(opened >= 0);
    CHECK_EQ(write(opened, "x", 1), 1);

    OK(mkdir("d", 0700));
    pid = (int)OK(syscall(SYS_clone, CLONE_FS | SIGCHLD, NULL, NULL, NULL, NULL));
    if (pid == 0) {
        OK(chdir("d"));
        _exit(0);
    }
    expect_exit(pid, 0);
    OK(access("../d", F_OK));
    OK(access("../by-child", F_OK));

    grandparent = getpid();
    int p[2];
    OK(pipe(p));
    pid = OK(fork());
    if (pid == 0) {
        int s = OK(clone(sibling, top, CLONE_PARENT | SIGCHLD, NULL));
        write_all(p[1], &s, sizeof s);
        FAILS(waitpid(s, NULL, 0), ECHILD);
        _exit(0);
    }
    int s;
    read_exactly(p[0], &s, sizeof s);
    expect_exit(pid, 0);
    expect_exit(s, 21);

    int pidfd = -1;
    pid = (int)OK(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, 0));
    if (pid == 0)
        _exit(44);
    CHECK(pidfd >= 0);
    struct pollfd poll_on = {pidfd, POLLIN, 0};
    CHECK_EQ(poll(&poll_on, 1, -1), 1);
    expect_exit(pid, 44);

    /* No exit signal: only __WALL or __WCLONE waits find the child. */
    pid = OK(clone(plain_child, top, 0, NULL));
    FAILS(waitpid(pid, NULL, 0), ECHILD);
    int status;
    CHECK_EQ(waitpid(pid, &status, __WCLONE), pid);
    CHECK_EQ(WEXITSTATUS(status), 33);

    int tid = 0;
    pid = (int)OK(syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL, &tid, &tid, 0));
    if (pid == 0)
        _exit(tid == getpid() ? 0 : 1);
    CHECK_EQ(tid, pid);
    expect_exit(pid, 0);
    FAILS(syscall(SYS_clone, CLONE_THREAD, NULL, NULL, NULL, 0), EINVAL);
    FAILS(syscall(SYS_clone, CLONE_SIGHAND, NULL, NULL, NULL, 0), EINVAL);
    say("pidfd %d last %d", pidfd, pid);
    return 0;
}
