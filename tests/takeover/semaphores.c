/* Semaphores of System V: values, several operations at once, processes that wait for each other,
 * waiting for zero, what the end of a process undoes, and a set that is removed. */
#include "../guests/guest.h"
#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

static int op(int set, unsigned short index, short change, short flags) {
    struct sembuf operation = {index, change, flags};
    return semop(set, &operation, 1);
}

static void ping_pong(int set) {
    pid_t other = OK(fork());
    if (other == 0) {
        for (int i = 0; i < 4; i++) {
            OK(op(set, 0, -1, 0));
            OK(op(set, 1, 1, 0));
        }
        _exit(0);
    }
    for (int i = 0; i < 4; i++) {
        OK(op(set, 0, 1, 0));
        OK(op(set, 1, -1, 0));
    }
    expect_exit(other, 0);
    CHECK_EQ(semctl(set, 0, GETPID), other);
    CHECK_EQ(semctl(set, 1, GETPID), getpid());
}

int main(void) {
    int set = OK(semget(IPC_PRIVATE, 4, IPC_CREAT | 0600));
    int named = OK(semget(0x7107, 1, IPC_CREAT | IPC_EXCL | 0640));
    unsigned short values[4] = {0, 0, 5, 7}, found[4];
    OK(semctl(set, 0, SETALL, (union semun){.array = values}));
    OK(semctl(named, 0, SETVAL, (union semun){.val = 3}));
    struct sembuf both[2] = {{2, -2, 0}, {3, 4, 0}};
    OK(semop(set, both, 2));
    ping_pong(set);
    say("ping pong");
    /* The child holds one until it ends, and the parent waits for that. */
    pid_t child = OK(fork());
    if (child == 0) {
        OK(op(set, 2, -3, SEM_UNDO));
        OK(op(set, 0, 1, 0));
        usleep(3000);
        _exit(3);
    }
    OK(op(set, 0, -1, 0));
    OK(op(set, 2, -2, SEM_UNDO));
    expect_exit(child, 3);
    OK(op(set, 2, 2, SEM_UNDO));
    child = OK(fork());
    if (child == 0) {
        OK(op(set, 3, 0, 0));
        _exit(4);
    }
    usleep(2000);
    OK(op(set, 3, -11, 0));
    expect_exit(child, 4);
    say("undone");
    OK(semctl(set, 0, GETALL, (union semun){.array = found}));
    CHECK_EQ(found[0], 0);
    CHECK_EQ(found[1], 0);
    CHECK_EQ(found[2], 3);
    CHECK_EQ(found[3], 0);
    CHECK_EQ(semget(0x7107, 0, 0), named);
    CHECK_EQ(semctl(named, 0, GETVAL), 3);
    FAILS(semget(0x7107, 1, IPC_CREAT | IPC_EXCL), EEXIST);
    struct sembuf last = {2, -4, 0};
    FAILS(semtimedop(set, &last, 1, &(struct timespec){.tv_nsec = 5000000}), EAGAIN);
    child = OK(fork());
    if (child == 0) {
        FAILS(op(set, 2, -4, 0), EIDRM);
        _exit(5);
    }
    while (semctl(set, 2, GETNCNT) == 0)
        usleep(1000);
    OK(semctl(set, 0, IPC_RMID));
    expect_exit(child, 5);
    FAILS(op(set, 0, 1, 0), EINVAL);
    int next = OK(semget(IPC_PRIVATE, 1, 0600));
    CHECK(next != set && next != named);
    CHECK_EQ(semctl(next, 0, GETVAL), 0);
    OK(semctl(named, 0, IPC_RMID));
    OK(semctl(next, 0, IPC_RMID));
    say("removed");
    return 0;
}
