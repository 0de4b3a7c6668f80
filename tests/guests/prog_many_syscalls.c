/* Five thousand cheap system calls of a few kinds, from two threads in turns. */
#include "guest.h"

static void *work(void *argument) {
    uint64_t h = (uint64_t)(intptr_t)argument;
    int fd = OK(open("/dev/null", O_RDWR));
    char c[64];
    for (int i = 0; i < 500; i++) {
        h = h * 31 + (uint64_t)getppid() + now_ns();
        CHECK_EQ(write(fd, c, sizeof c), sizeof c);
        CHECK_EQ(read(fd, c, sizeof c), 0);
        OK(lseek(fd, i, SEEK_SET));
        struct stat st;
        OK(fstat(fd, &st));
    }
    return (void *)(uintptr_t)h;
}

int main(void) {
    pthread_t t;
    void *a, *b = NULL;
    ZERO(pthread_create(&t, NULL, work, (void *)1));
    b = work((void *)2);
    ZERO(pthread_join(t, &a));
    say("%016lx %016lx", (unsigned long)(uintptr_t)a, (unsigned long)(uintptr_t)b);
    return 0;
}
