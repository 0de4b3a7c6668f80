/* Calls that are served, on what a supervisor must not do in the program's stead (files that ask who writes), and memory
 * mapped over where a shadow may have put something of its own. */
#include "../guests/guest.h"
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/shm.h>

enum { ROUNDS = 12, SEGMENT = 300 << 20 };

static void *wait_for_end(void *word) {
    while (atomic_load((_Atomic int *)word) == 0)
        usleep(500);
    return NULL;
}

/* Calls by places that are rewritten. */
static void calls(int log, int round) {
    char line[32];
    int length = snprintf(line, sizeof line, "round %d\n", round);
    write_all(log, line, (size_t)length);
    int read_only = OK(open("log", O_RDONLY));
    CHECK_EQ(read(read_only, line, 6), 6);
    CHECK_EQ(getppid() != 0, 1);
    OK(close(read_only));
    /* A number that leads nowhere, and then to another file. */
    FAILS(write(77, "x", 1), EBADF);
    CHECK_EQ(OK(fcntl(log, F_DUPFD, 77)), 77);
    write_all(77, "dup\n", 4);
    OK(close(77));
}

int main(void) {
    static _Atomic int over;
    int log = OK(open("log", O_CREAT | O_RDWR | O_TRUNC | O_APPEND, 0644));
    pthread_t other;
    ZERO(pthread_create(&other, NULL, wait_for_end, &over));
    for (int round = 0; round < ROUNDS; round++) {
        char name[16], found[16];
        snprintf(name, sizeof name, "other-%d", round);
        /* By way of /proc/self/task: the kernel asks whose thread it is. */
        ZERO(pthread_setname_np(other, name));
        ZERO(pthread_getname_np(other, found, sizeof found));
        CHECK(strcmp(name, found) == 0);
        calls(log, round);
        usleep(1000);
    }
    int segment = OK(shmget(IPC_PRIVATE, SEGMENT, IPC_CREAT | SHM_NORESERVE | 0600));
    char *attached = OK(shmat(segment, NULL, 0));
    OK(shmctl(segment, IPC_RMID, NULL));
    for (int round = 0; round < ROUNDS; round++) {
        attached[round * (SEGMENT / ROUNDS)] = (char)(round + 1);
        calls(log, ROUNDS + round);
        usleep(1000);
    }
    for (int round = 0; round < ROUNDS; round++)
        CHECK_EQ(attached[round * (SEGMENT / ROUNDS)], round + 1);
    /* At the end there is where a shadow's own memory would have been. */
    for (size_t at = SEGMENT - (60 << 20); at < SEGMENT; at += PAGE)
        CHECK_EQ(attached[at + 8], 0);
    OK(shmdt(attached));
    atomic_store(&over, 1);
    ZERO(pthread_join(other, NULL));
    say("%d rounds", 2 * ROUNDS);
    return 0;
}
