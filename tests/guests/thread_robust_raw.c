/* A robust list made by hand: several entries, one pending, one of somebody else; at a thread's end, a kill, an exec. */
#include "guest.h"
#include <linux/futex.h>
#include <stddef.h>

struct lock {
    struct robust_list list;
    _Atomic uint32_t word;
};

struct shared {
    struct lock locks[6];
    struct robust_list_head head;
    _Atomic int step;
};

static struct shared *make(void) {
    return OK(mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

/* Entries 0 to 2 on the list, 3 pending, 4 of another thread on the list, 5 ours and not on the list. */
static void take(struct shared *s) {
    uint32_t me = (uint32_t)syscall(SYS_gettid);
    for (int i = 0; i < 6; i++)
        s->locks[i].word = me | (i == 1 ? FUTEX_WAITERS : 0);
    s->locks[4].word = 0x123456;
    s->head.futex_offset = offsetof(struct lock, word);
    s->head.list.next = &s->locks[0].list;
    s->locks[0].list.next = &s->locks[1].list;
    s->locks[1].list.next = &s->locks[2].list;
    s->locks[2].list.next = &s->locks[4].list;
    s->locks[4].list.next = &s->head.list;
    s->head.list_op_pending = &s->locks[3].list;
    OK(syscall(SYS_set_robust_list, &s->head, sizeof s->head));
}

static void check(const struct shared *s, pid_t owner) {
    for (int i = 0; i < 6; i++) {
        uint32_t w = s->locks[i].word;
        if (i < 4)
            CHECK_EQ(w, FUTEX_OWNER_DIED | (i == 1 ? FUTEX_WAITERS : 0));
        else
            CHECK_EQ(w, i == 4 ? 0x123456 : (uint32_t)owner);
    }
}

static pid_t tid;
static void *thread(void *argument) {
    tid = (pid_t)syscall(SYS_gettid);
    take(argument);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc == 2)
        return 5;
    struct shared *s = make();
    pthread_t t;
    ZERO(pthread_create(&t, NULL, thread, s));
    ZERO(pthread_join(t, NULL));
    check(s, tid);
    say("thread %d left its locks", (int)tid);
    pid_t pid = OK(fork());
    if (pid == 0) {
        take(s);
        s->step = 1;
        for (;;)
            pause();
    }
    while (s->step != 1)
        sched_yield();
    OK(kill(pid, SIGKILL));
    expect_signal(pid, SIGKILL);
    check(s, pid);
    pid = OK(fork());
    if (pid == 0) {
        take(s);
        char *const arguments[] = {argv[0], (char *)"again", NULL};
        execv("/proc/self/exe", arguments);
        _exit(1);
    }
    expect_exit(pid, 5);
    check(s, pid);
    /* A list that leads nowhere harms nobody. */
    pid = OK(fork());
    if (pid == 0) {
        take(s);
        s->locks[1].list.next = (void *)8;
        _exit(6);
    }
    expect_exit(pid, 6);
    CHECK_EQ(s->locks[0].word, FUTEX_OWNER_DIED);
    say("broken list: %08x %08x %08x", (unsigned)s->locks[1].word, (unsigned)s->locks[2].word & 0xff000000u,
        (unsigned)s->locks[3].word & 0xff000000u);
    FAILS(syscall(SYS_set_robust_list, &s->head, 5), EINVAL);
    return 0;
}
