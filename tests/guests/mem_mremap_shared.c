/* mremap of shared memory: anonymous, a memfd, System V; grown, moved, doubled by size zero, kept by DONTUNMAP, in children. */
#include "guest.h"
#include <setjmp.h>
#include <sys/shm.h>
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static sigjmp_buf out;
static volatile int got;
static void on_fault(int number) {
    got = number;
    siglongjmp(out, 1);
}
static int look(volatile char *p) {
    if (sigsetjmp(out, 1))
        return -got;
    return *p;
}

int main(void) {
    enum { RW = PROT_READ | PROT_WRITE };
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    for (int kind = 0; kind < 3; kind++) {
        char *p;
        if (kind == 0) {
            p = OK(mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
        } else if (kind == 1) {
            int fd = OK(memfd_create("shared", 0));
            OK(ftruncate(fd, (off_t)(4 * PAGE)));
            p = OK(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
            OK(close(fd));
        } else {
            int id = OK(shmget(IPC_PRIVATE, 4 * PAGE, 0600));
            p = OK(shmat(id, NULL, 0));
            OK(shmctl(id, IPC_RMID, NULL));
        }
        for (int i = 0; i < 4; i++)
            p[i * (int)PAGE] = (char)('a' + i);
        pid_t pid = OK(fork());
        if (pid == 0) {
            /* The child moves its own map, and both still see one memory. */
            char *moved = OK(mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
                                    OK(mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))));
            CHECK(moved[PAGE] == 'b');
            moved[PAGE] = 'B';
            _exit(0);
        }
        expect_exit(pid, 0);
        CHECK_EQ(p[PAGE], 'B');
        char *twin = OK(mremap(p, 0, 4 * PAGE, MREMAP_MAYMOVE));
        twin[2 * PAGE] = 'C';
        CHECK_EQ(p[2 * PAGE], 'C');
        char *grown = mremap(twin, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
        int behind = -1;
        if (grown != MAP_FAILED) {
            CHECK_EQ(grown[3 * PAGE], 'd');
            behind = look(grown + 5 * PAGE);
            grown = OK(mremap(grown, 8 * PAGE, 2 * PAGE, 0));
            CHECK_EQ(look(grown + 2 * PAGE), -SIGSEGV);
        }
        char *kept = mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
        int old = -1;
        if (kept != MAP_FAILED) {
            CHECK_EQ(kept[PAGE], 'B');
            old = look(p + PAGE);
            kept[0] = 'k';
        }
        say("kind %d: behind the end %d, left behind %d, at %p %p", kind, behind, old, (void *)grown, (void *)kept);
    }
    return 0;
}
