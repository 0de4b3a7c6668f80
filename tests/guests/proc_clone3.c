/* clone3: sizes, pidfd, tid addresses, exit signal, its own stack, cleared handlers. */
#include "guest.h"
#include <linux/sched.h>

static volatile sig_atomic_t got;
static void on_signal(int s) {
    got = s;
}

static long do_clone3(struct clone_args *a, size_t size) {
    return syscall(SYS_clone3, a, size);
}

int main(void) {
    struct clone_args a;
    memset(&a, 0, sizeof a);
    int pidfd = -1;
    pid_t parent_tid = 0;
    a.flags = CLONE_PIDFD | CLONE_PARENT_SETTID;
    a.pidfd = (uintptr_t)&pidfd;
    a.parent_tid = (uintptr_t)&parent_tid;
    a.exit_signal = SIGUSR1;
    signal(SIGUSR1, on_signal);
    long pid = do_clone3(&a, sizeof a);
    if (pid < 0) {
        CHECK_EQ(errno, ENOSYS);
        say("no clone3");
        return 0;
    }
    if (pid == 0)
        _exit(12);
    CHECK(parent_tid == pid && pidfd >= 0);
    siginfo_t info;
    OK(waitid((idtype_t)3, (id_t)pidfd, &info, WEXITED | __WALL));
    CHECK(info.si_status == 12 && info.si_pid == pid);
    CHECK_EQ(got, SIGUSR1);

    memset(&a, 0, sizeof a);
    a.flags = CLONE_CLEAR_SIGHAND;
    a.exit_signal = SIGCHLD;
    pid = OK(do_clone3(&a, sizeof a));
    if (pid == 0) {
        struct sigaction action;
        OK(sigaction(SIGUSR1, NULL, &action));
        _exit(action.sa_handler == SIG_DFL ? 0 : 1);
    }
    expect_exit((pid_t)pid, 0);
    FAILS(do_clone3(&a, 8), EINVAL);
    a.flags = 1ull << 63;
    FAILS(do_clone3(&a, sizeof a), EINVAL);
    a.flags = CLONE_VFORK;
    pid = OK(do_clone3(&a, sizeof a));
    if (pid == 0)
        _exit(3);
    expect_exit((pid_t)pid, 3);
    say("pidfd %d last %ld", pidfd, pid);
    return 0;
}
