/* System V shared memory: create, attach twice, share over fork, status, removal. */
#include "guest.h"
#include <sys/ipc.h>
#include <sys/shm.h>

int main(void) {
    int id = OK(shmget(IPC_PRIVATE, 3 * PAGE, IPC_CREAT | 0600));
    char *a = OK(shmat(id, NULL, 0));
    char *b = OK(shmat(id, NULL, SHM_RDONLY));
    CHECK(a != b && a[0] == 0);
    strcpy(a + 100, "attached twice");
    CHECK(strcmp(b + 100, "attached twice") == 0);
    pid_t pid = OK(fork());
    if (pid == 0) {
        strcpy(a + 5000, "by the child");
        OK(shmdt(b));
        char *c = OK(shmat(id, NULL, 0));
        strcpy(c + 9000, "by its own attachment");
        /* The end of a process detaches, too, but only once nobody looks at its memory any more. */
        OK(shmdt(a));
        OK(shmdt(c));
        _exit(0);
    }
    expect_exit(pid, 0);
    CHECK(strcmp(b + 5000, "by the child") == 0 && strcmp(b + 9000, "by its own attachment") == 0);
    struct shmid_ds ds;
    OK(shmctl(id, IPC_STAT, &ds));
    CHECK(ds.shm_segsz == 3 * PAGE && ds.shm_nattch == 2 && ds.shm_cpid == getpid() && ds.shm_lpid == pid);
    say("segment %d at %p and %p, attached at %ld", id, (void *)a, (void *)b, (long)ds.shm_atime);
    OK(shmctl(id, IPC_RMID, NULL));
    CHECK(strcmp(a + 100, "attached twice") == 0);
    OK(shmdt(a));
    OK(shmdt(b));
    FAILS(shmdt(b), EINVAL);
    FAILS(shmctl(id, IPC_STAT, &ds), EINVAL);
    FAILS(shmat(id, NULL, 0), EINVAL);
    /* At an address the program chose. */
    id = OK(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600));
    char *place = OK(mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(shmat(id, place, SHM_REMAP) == place);
    place[0] = 1;
    OK(shmctl(id, IPC_RMID, NULL));
    struct shminfo limits;
    OK(shmctl(0, IPC_INFO, (struct shmid_ds *)&limits));
    CHECK(limits.shmmax > 0);
    return 0;
}
