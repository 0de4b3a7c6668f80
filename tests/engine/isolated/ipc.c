/* Shared memory, queues and semaphores of its own: what the machine has is not here, and counting begins anew. */
#include "../../guests/guest.h"
#include <dirent.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

int main(int count, char **arguments) {
    CHECK_EQ(count, 2);
    DIR *dir = opendir("/dev/shm");
    CHECK(dir != NULL);
    int entries = 0;
    while (readdir(dir) != NULL)
        entries++;
    CHECK_EQ(entries, 2);
    int fd = OK(shm_open(arguments[1], O_RDWR | O_CREAT | O_EXCL, 0600));
    OK(ftruncate(fd, (off_t)PAGE));
    char *shared = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    strcpy(shared, "shared");
    mqd_t queue = OK(mq_open("/of-its-own", O_RDWR | O_CREAT | O_EXCL, 0600, NULL));
    OK(mq_send(queue, "message", 7, 0));
    int memory = OK(shmget(IPC_PRIVATE, PAGE, 0600));
    CHECK_EQ(memory, 0);
    CHECK_EQ(OK(msgget(IPC_PRIVATE, 0600)), 0);
    CHECK_EQ(OK(semget(IPC_PRIVATE, 1, 0600)), 0);
    char *attached = OK(shmat(memory, NULL, 0));
    strcpy(attached, shared);
    say("%s %s", arguments[1], attached);
    return 0;
}
