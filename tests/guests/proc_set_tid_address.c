/* set_tid_address and CLONE_CHILD_CLEARTID: the kernel clears a word in the dying thread's memory. */
#include "guest.h"
#include <linux/futex.h>

static char stack[65536] __attribute__((aligned(16)));
static int word = 1, done_word = 77;

static int child(void *unused) {
    (void)unused;
    return 0;
}

int main(void) {
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD;
    pid_t pid = OK(clone(child, stack + sizeof stack, flags, NULL, NULL, NULL, &word));
    /* Either the id is still there and the wait ends by the kernel's wake, or it is zero already. */
    int value;
    while ((value = __atomic_load_n(&word, __ATOMIC_SEQ_CST)) != 0)
        syscall(SYS_futex, &word, FUTEX_WAIT, value, NULL, NULL, 0);
    expect_exit(pid, 0);
    CHECK_EQ(syscall(SYS_set_tid_address, &done_word), syscall(SYS_gettid));
    void *shared = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    int *in_shared = shared;
    *in_shared = 5;
    pid = OK(fork());
    if (pid == 0) {
        syscall(SYS_set_tid_address, in_shared);
        _exit(0);
    }
    expect_exit(pid, 0);
    /* Cleared only if the memory is shared with someone else at the end; that is so for threads. */
    say("tid %d, shared word %d", (int)pid, *in_shared);
    return 0;
}
