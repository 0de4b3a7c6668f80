/* System V semaphores: operations, waiting, SEM_UNDO, GETALL and SETALL, semtimedop. */
#include "guest.h"
#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

static int op(int id, unsigned short n, short change, short flags) {
    struct sembuf b = {n, change, flags};
    return semop(id, &b, 1);
}

int main(void) {
    int id = OK(semget(IPC_PRIVATE, 3, IPC_CREAT | 0600));
    unsigned short values[3] = {1, 2, 3}, got[3];
    OK(semctl(id, 0, SETALL, (union semun){.array = values}));
    OK(semctl(id, 0, GETALL, (union semun){.array = got}));
    CHECK(memcmp(values, got, sizeof got) == 0);
    CHECK_EQ(semctl(id, 2, GETVAL), 3);
    OK(op(id, 2, -3, 0));
    FAILS(op(id, 2, -1, IPC_NOWAIT), EAGAIN);
    struct timespec t = {0, 3000000};
    struct sembuf wait_for = {2, -1, 0};
    FAILS(semtimedop(id, &wait_for, 1, &t), EAGAIN);
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(op(id, 2, -2, 0));
        say("child woke");
        OK(op(id, 0, -1, SEM_UNDO));
        CHECK_EQ(semctl(id, 0, GETVAL), 0);
        _exit(0);
    }
    while (semctl(id, 2, GETNCNT) == 0)
        sleep_ms(1);
    CHECK_EQ(semctl(id, 2, GETNCNT), 1);
    OK(op(id, 2, 2, 0));
    expect_exit(pid, 0);
    /* The child's decrement was undone at its end. */
    CHECK_EQ(semctl(id, 0, GETVAL), 1);
    CHECK_EQ(semctl(id, 0, GETPID), pid);
    struct sembuf both[2] = {{0, -1, 0}, {1, -2, 0}};
    OK(semop(id, both, 2));
    OK(op(id, 0, 0, 0));
    struct semid_ds ds;
    OK(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
    CHECK(ds.sem_nsems == 3);
    say("set %d, last operation %ld", id, (long)ds.sem_otime);
    pid = OK(fork());
    if (pid == 0) {
        FAILS(op(id, 1, -1, 0), EIDRM);
        _exit(0);
    }
    while (semctl(id, 1, GETNCNT) == 0)
        sleep_ms(1);
    OK(semctl(id, 0, IPC_RMID));
    expect_exit(pid, 0);
    FAILS(op(id, 0, 1, 0), EINVAL);
    return 0;
}
