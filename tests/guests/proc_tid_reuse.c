/* An id that belonged to a process that has ended is given to another one, and to a thread (clone3, set_tid). */
#include "guest.h"
#include <linux/sched.h>

static pid_t with_id(pid_t wanted) {
    pid_t set[1] = {wanted};
    struct clone_args a;
    memset(&a, 0, sizeof a);
    a.exit_signal = SIGCHLD;
    a.set_tid = (uintptr_t)set;
    a.set_tid_size = 1;
    return (pid_t)syscall(SYS_clone3, &a, sizeof a);
}

int main(void) {
    pid_t first = OK(fork());
    if (first == 0)
        _exit(1);
    expect_exit(first, 1);
    for (int i = 2; i < 6; i++) {
        pid_t again = with_id(first);
        if (again == 0) {
            CHECK_EQ(getpid(), first);
            uint64_t r;
            CHECK_EQ(syscall(SYS_getrandom, &r, sizeof r, 0), 8);
            say("%d once more: %016lx", (int)getpid(), (unsigned long)r);
            /* It has a child and memory of its own, and waits. */
            pid_t child = OK(fork());
            if (child == 0)
                _exit(i);
            expect_exit(child, i);
            sleep_ms(1);
            _exit(i);
        }
        if (again < 0) {
            say("choosing an id is refused, errno %d", errno);
            CHECK(errno == EPERM || errno == EINVAL || errno == ENOSYS);
            return 0;
        }
        CHECK_EQ(again, first);
        FAILS(with_id(first), EEXIST);
        expect_exit(again, i);
        FAILS(kill(first, 0), ESRCH);
    }
    return 0;
}
