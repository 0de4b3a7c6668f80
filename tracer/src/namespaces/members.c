/* Members of namespaces for the tests: makes threads, processes and IPC objects, and checks the ids
 * that it gets against those given as arguments. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "members.c:%d: %s\n", __LINE__, #condition);                                     \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

static void *thread(void *id) { return (void *)(syscall(SYS_gettid) == (long)id ? NULL : "wrong"); }

static void ids(char **ids) {
    void *result;
    pthread_t made;
    CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    CHECK(pthread_create(&made, NULL, thread, (void *)atol(ids[0])) == 0);
    CHECK(pthread_join(made, &result) == 0 && result == NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(getpid() == atoi(ids[1]) ? 21 : 1);
    int status;
    CHECK(child == atoi(ids[1]) && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 21);
    child = vfork();
    if (child == 0)
        _exit(syscall(SYS_getpid) == atoi(ids[2]) ? 22 : 1);
    CHECK(child == atoi(ids[2]) && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 22);
    child = fork();
    if (child == 0) {
        pthread_t inner;
        CHECK(pthread_create(&inner, NULL, thread, (void *)atol(ids[4])) == 0);
        CHECK(pthread_join(inner, &result) == 0 && result == NULL);
        _exit(23);
    }
    CHECK(child == atoi(ids[3]) && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 23);
}

static long long ns(clockid_t clock, int by_syscall) {
    struct timespec t;
    CHECK((by_syscall ? syscall(SYS_clock_gettime, clock, &t) : clock_gettime(clock, &t)) == 0);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Less than a minute after the time given. */
static void about(long long now, long long then) { CHECK(now >= then && now - then < 60000000000ll); }

int main(int count, char **arguments) {
    CHECK(count >= 2);
    if (strcmp(arguments[1], "ids") == 0) {
        CHECK(count == 7);
        ids(arguments + 2);
    } else if (strcmp(arguments[1], "ipc") == 0) {
        CHECK(count == 5);
        CHECK(shmget(IPC_PRIVATE, 4096, 0600) == atoi(arguments[2]));
        CHECK(msgget(IPC_PRIVATE, 0600) == atoi(arguments[3]));
        CHECK(semget(IPC_PRIVATE, 1, 0600) == atoi(arguments[4]));
    } else if (strcmp(arguments[1], "clocks") == 0) {
        CHECK(count == 4);
        long long monotonic = atoll(arguments[2]), boottime = atoll(arguments[3]);
        for (int by_syscall = 0; by_syscall < 2; by_syscall++)
            /* More reads than the agent answers without a stop. */
            for (int i = 0; i < 300; i++) {
                about(ns(CLOCK_MONOTONIC, by_syscall), monotonic);
                about(ns(CLOCK_MONOTONIC_RAW, by_syscall), monotonic - 60000000000ll / 2);
                about(ns(CLOCK_MONOTONIC_COARSE, by_syscall), monotonic - 1000000000ll);
                about(ns(CLOCK_BOOTTIME, by_syscall), boottime);
                about(ns(CLOCK_REALTIME, by_syscall), time(NULL) * 1000000000ll - 2000000000ll);
            }
        struct timespec until = {monotonic / 1000000000ll, 0};
        CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0);
    } else if (strcmp(arguments[1], "read") == 0) {
        CHECK(count == 4);
        FILE *file = fopen(arguments[2], "r");
        char line[64];
        CHECK(file != NULL && fgets(line, sizeof line, file) != NULL && strcmp(line, arguments[3]) == 0);
    } else {
        if (fork() == 0)
            setsid();
        for (;;)
            pause();
    }
    return 0;
}
