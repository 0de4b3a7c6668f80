/* A filter that kills one thread: its word is cleared, its robust mutex passes on, the others go on. */
#include "guest.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

static pthread_mutex_t m;
static pid_t tid;

static void *thread(void *unused) {
    (void)unused;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgrp, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    tid = (pid_t)syscall(SYS_gettid);
    ZERO(pthread_mutex_lock(&m));
    syscall(SYS_getpgrp);
    say("not reached");
    return NULL;
}

int main(void) {
    pthread_mutexattr_t a;
    ZERO(pthread_mutexattr_init(&a));
    ZERO(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
    ZERO(pthread_mutex_init(&m, &a));
    for (int i = 0; i < 3; i++) {
        pthread_t t;
        ZERO(pthread_create(&t, NULL, thread, NULL));
        ZERO(pthread_join(t, NULL));
        CHECK_EQ(pthread_mutex_lock(&m), EOWNERDEAD);
        ZERO(pthread_mutex_consistent(&m));
        ZERO(pthread_mutex_unlock(&m));
        /* It is joined a moment before it is gone. */
        while (syscall(SYS_tgkill, getpid(), tid, 0) == 0)
            sched_yield();
        CHECK_EQ(errno, ESRCH);
        CHECK(getpgrp() > 0);
        say("thread %d was killed", (int)tid);
    }
    return 0;
}
