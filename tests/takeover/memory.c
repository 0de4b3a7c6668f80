/* The program break, mappings that move, files mapped shared by two processes, System V memory. */
#include "../guests/guest.h"
#include <sys/ipc.h>
#include <sys/shm.h>

int main(void) {
    char *top = sbrk(0);
    CHECK(sbrk(100000) == top);
    fill(top, 100000, 1);
    int file = OK(open("shared", O_CREAT | O_RDWR, 0644));
    OK(ftruncate(file, 3 * 4096));
    char *shared = OK(mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    int segment = OK(shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600));
    char *attached = OK(shmat(segment, NULL, 0));
    pid_t child = OK(fork());
    if (child == 0) {
        for (int i = 0; i < 5; i++) {
            shared[4096 + i] = (char)('a' + i);
            attached[i] = (char)('A' + i);
            usleep(300);
        }
        _exit(0);
    }
    /* It has begun; the rest is written while the parent goes on. */
    while (*(volatile char *)&shared[4096] != 'a')
        usleep(100);
    char *moved = OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(moved, 4096, 2);
    for (size_t size = 4096; size < 40960; size += 4096) {
        moved = OK(mremap(moved, size, size + 4096, MREMAP_MAYMOVE));
        fill(moved + size, 4096, (unsigned)size);
        shared[size % 8192] = (char)size;
        usleep(100);
    }
    expect_exit(child, 0);
    CHECK(memcmp(attached, "ABCDE", 5) == 0 && memcmp(shared + 4096, "abcde", 5) != 0);
    OK(pwrite(file, "by the file", 11, 5000));
    CHECK(memcmp(shared + 5000, "by the file", 11) == 0);
    OK(mprotect(moved, 4096, PROT_READ));
    OK(madvise(moved + 4096, 4096, MADV_DONTNEED));
    CHECK_EQ(moved[4096], 0);
    CHECK(sbrk(-50000) == top + 100000);
    say("%016llx %016llx", (unsigned long long)hash(top, 50000), (unsigned long long)hash(moved, 40960));
    OK(shmdt(attached));
    OK(shmctl(segment, IPC_RMID, NULL));
    OK(munmap(shared, 3 * 4096));
    return 0;
}
