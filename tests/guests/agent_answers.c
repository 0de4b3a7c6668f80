/* Calls whose result is the caller's own (its numbers, whose rights it has) give everybody his own, in whatever way
 * callers take turns or become others: threads, forks, vforks, handlers, sessions, namespaces, programs, set*id. */
#include "guest.h"
#include <grp.h>

/* More than stop before they are served. */
#define TIMES 200
#define NOBODY 65534

/* Always from the same place. */
__attribute__((noinline)) static long own(long number) {
    return syscall(number);
}

__attribute__((noinline)) static void expect(pid_t pid, pid_t tid) {
    for (int i = 0; i < TIMES; i++) {
        CHECK_EQ(own(SYS_getpid), pid);
        CHECK_EQ(own(SYS_gettid), tid);
    }
}

/* In the way of the kernel's own words: not by calls that might be answered by somebody else. */
static pid_t from_proc(void) {
    char link[64];
    ssize_t len = OK(readlink("/proc/thread-self", link, sizeof link - 1));
    link[len] = 0;
    const char *last = strrchr(link, '/');
    CHECK(last != NULL);
    return atoi(last + 1);
}

static pthread_barrier_t barrier;
static pid_t process;

static void *in_turns(void *argument) {
    (void)argument;
    pid_t tid = from_proc();
    CHECK(tid != process);
    for (int i = 0; i < 20; i++) {
        expect(process, tid);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void threads(void) {
    pthread_t others[3];
    ZERO(pthread_barrier_init(&barrier, NULL, 3));
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&others[i], NULL, in_turns, NULL));
    for (int i = 0; i < 3; i++)
        ZERO(pthread_join(others[i], NULL));
    expect(process, process);
}

/* The first call after the fork is one that was answered before it. */
static void forks(void) {
    for (int round = 0; round < 3; round++) {
        int p[2];
        OK(pipe(p));
        pid_t child = OK(fork());
        if (child == 0) {
            pid_t pid = (pid_t)own(SYS_getpid), told;
            CHECK_EQ(own(SYS_gettid), pid);
            read_exactly(p[0], &told, sizeof told);
            CHECK_EQ(pid, told);
            CHECK_EQ(own(SYS_getppid), process);
            expect(pid, pid);
            CHECK_EQ(OK(setsid()), pid);
            expect(pid, pid);
            CHECK_EQ(own(SYS_getpgrp), pid);
            pid_t grandchild = OK(fork());
            if (grandchild == 0) {
                CHECK(own(SYS_getpid) != pid);
                CHECK_EQ(own(SYS_getppid), pid);
                expect(from_proc(), from_proc());
                _exit(5);
            }
            expect(pid, pid);
            expect_exit(grandchild, 5);
            expect(pid, pid);
            _exit(7);
        }
        /* Both go on with the same page between them. */
        expect(process, process);
        write_all(p[1], &child, sizeof child);
        expect(process, process);
        expect_exit(child, 7);
        OK(close(p[0]));
        OK(close(p[1]));
    }
}

static volatile pid_t seen_pid, seen_tid;

static void vforks(void) {
    pid_t child = OK(vfork());
    if (child == 0) {
        seen_pid = (pid_t)own(SYS_getpid);
        seen_tid = (pid_t)own(SYS_gettid);
        _exit(3);
    }
    CHECK_EQ(own(SYS_getpid), process);
    CHECK_EQ(seen_pid, child);
    CHECK_EQ(seen_tid, child);
    expect(process, process);
    expect_exit(child, 3);
}

static volatile int handled;

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number, (void)info, (void)context;
    CHECK_EQ(own(SYS_getpid), process);
    CHECK_EQ(own(SYS_gettid), process);
    handled++;
}

static void signals(void) {
    handle(SIGUSR1, on_signal, 0);
    pid_t sender = OK(fork());
    if (sender == 0) {
        for (int i = 0; i < 20; i++) {
            OK(kill(process, SIGUSR1));
            expect(from_proc(), from_proc());
            sched_yield();
        }
        _exit(0);
    }
    while (handled < 1)
        expect(process, process);
    int status = 0;
    while (waitpid(sender, &status, 0) != sender)
        CHECK_EQ(errno, EINTR);
    CHECK_EQ(status, 0);
    OK(raise(SIGUSR1));
    expect(process, process);
    say("handled some: %d", handled > 0);
}

static void namespaces(void) {
    pid_t starter = OK(fork());
    if (starter == 0) {
        pid_t pid = (pid_t)own(SYS_getpid);
        expect(pid, pid);
        if (unshare(CLONE_NEWPID) != 0) {
            say("no namespace, errno %d", errno);
            CHECK(errno == EPERM || errno == EINVAL || errno == ENOSPC);
            _exit(0);
        }
        expect(pid, pid);
        pid_t first = OK(fork());
        if (first == 0) {
            expect(1, 1);
            pid_t second = OK(fork());
            if (second == 0) {
                expect(2, 2);
                _exit(2);
            }
            expect(1, 1);
            expect_exit(second, 2);
            _exit(1);
        }
        expect(pid, pid);
        expect_exit(first, 1);
        _exit(0);
    }
    expect_exit(starter, 0);
}

static void expect_rights(uid_t uid, uid_t euid, gid_t gid, gid_t egid) {
    for (int i = 0; i < TIMES; i++) {
        CHECK_EQ(own(SYS_getuid), uid);
        CHECK_EQ(own(SYS_geteuid), euid);
        CHECK_EQ(own(SYS_getgid), gid);
        CHECK_EQ(own(SYS_getegid), egid);
    }
}

static void *has_rights(void *argument) {
    (void)argument;
    expect_rights(0, 0, 0, 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    expect_rights(NOBODY, NOBODY, NOBODY, NOBODY);
    return NULL;
}

static void rights(void) {
    uid_t uid = getuid(), euid = geteuid();
    gid_t gid = getgid(), egid = getegid();
    expect_rights(uid, euid, gid, egid);
    if (euid != 0) {
        say("no root");
        return;
    }
    pid_t child = OK(fork());
    if (child == 0) {
        expect_rights(uid, 0, gid, egid);
        OK(syscall(SYS_setresgid, 0, 0, 0));
        OK(syscall(SYS_setresuid, 0, 0, 0));
        OK(setgroups(0, NULL));
        /* Of the calling thread only. */
        OK(syscall(SYS_setresuid, 0, NOBODY, 0));
        expect_rights(0, NOBODY, 0, 0);
        OK(syscall(SYS_setresuid, 0, 0, 0));
        OK(syscall(SYS_setregid, 0, NOBODY));
        expect_rights(0, 0, 0, NOBODY);
        OK(syscall(SYS_setregid, 0, 0));
        expect_rights(0, 0, 0, 0);
        /* Of all threads, by signals. */
        pthread_t other;
        ZERO(pthread_barrier_init(&barrier, NULL, 2));
        ZERO(pthread_create(&other, NULL, has_rights, NULL));
        pthread_barrier_wait(&barrier);
        OK(setgid(NOBODY));
        OK(setuid(NOBODY));
        expect_rights(NOBODY, NOBODY, NOBODY, NOBODY);
        pthread_barrier_wait(&barrier);
        ZERO(pthread_join(other, NULL));
        expect_rights(NOBODY, NOBODY, NOBODY, NOBODY);
        _exit(4);
    }
    expect_rights(uid, euid, gid, egid);
    expect_exit(child, 4);
    expect_rights(uid, euid, gid, egid);
    say("root");
}

static void *executes(void *argument) {
    expect(process, from_proc());
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)process);
    execl(argument, argument, pid, NULL);
    return NULL;
}

/* Another thread than the first executes a program: it takes over the number of the process. */
static void programs(char *path) {
    pid_t child = OK(fork());
    if (child == 0) {
        process = (pid_t)own(SYS_getpid);
        expect(process, process);
        pthread_t other;
        ZERO(pthread_create(&other, NULL, executes, path));
        ZERO(pthread_join(other, NULL));
        _exit(1);
    }
    expect(process, process);
    expect_exit(child, 6);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        expect(atoi(argv[1]), atoi(argv[1]));
        return 6;
    }
    process = from_proc();
    expect(process, process);
    threads();
    forks();
    vforks();
    signals();
    namespaces();
    rights();
    programs(argv[0]);
    expect(process, process);
    say("process %d", (int)process);
    return 0;
}
