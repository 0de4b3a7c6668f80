/* A thread made by clone without the library: no TLS, its end waited for by futex. */
#include "guest.h"
#include <linux/futex.h>

static char stack[65536] __attribute__((aligned(16)));
static int tid_word;
static volatile long seen_pid, seen_tid;

static int body(void *argument) {
    seen_pid = syscall(SYS_getpid);
    seen_tid = syscall(SYS_gettid);
    long *value = argument;
    *value = 99;
    syscall(SYS_exit, 0);
    return 0;
}

int main(void) {
    long value = 0;
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID;
    tid_word = -1;
    int tid = OK(clone(body, stack + sizeof stack, flags, &value, &tid_word, NULL, &tid_word));
    int now;
    while ((now = __atomic_load_n(&tid_word, __ATOMIC_SEQ_CST)) != 0)
        syscall(SYS_futex, &tid_word, FUTEX_WAIT, now, NULL, NULL, 0);
    CHECK(value == 99 && seen_pid == getpid() && seen_tid == tid);
    FAILS(waitpid(tid, NULL, __WALL), ECHILD);
    say("thread %d of %d", tid, (int)getpid());
    return 0;
}
