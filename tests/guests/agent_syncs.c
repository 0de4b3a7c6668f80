/* A thread and a process write files and wait for the disk, while others go on. */
#include "guest.h"

enum { ROUNDS = 25, TURNS = 400 };

static atomic_int written;

/* One place each, so that it is met often enough. */
__attribute__((noinline)) static int syncs(int fd) {
    return fsync(fd);
}

__attribute__((noinline)) static int syncs_data(int fd) {
    return fdatasync(fd);
}

static void write_and_wait(const char *name) {
    int fd = OK(open(name, O_RDWR | O_CREAT | O_APPEND, 0600));
    char line[64];
    for (int i = 0; i < ROUNDS; i++) {
        int length = snprintf(line, sizeof line, "%s %d after %d\n", name, i, atomic_load(&written));
        CHECK_EQ(write(fd, line, (size_t)length), length);
        ZERO(i % 2 ? syncs(fd) : syncs_data(fd));
        atomic_fetch_add(&written, 1);
    }
    OK(close(fd));
    for (int i = 0; i < 5; i++)
        FAILS(syncs(fd), EBADF);
}

static void *writes(void *argument) {
    write_and_wait(argument);
    return NULL;
}

static int there[2], back[2];

static void *answers(void *argument) {
    char byte;
    for (int i = 0; i < TURNS; i++) {
        CHECK_EQ(read(there[0], &byte, 1), 1);
        byte += (char)atomic_load(&written);
        CHECK_EQ(write(back[1], &byte, 1), 1);
    }
    return argument;
}

int main(void) {
    OK(pipe(there));
    OK(pipe(back));
    pthread_t writer, other;
    pid_t pid = OK(fork());
    if (pid == 0) {
        write_and_wait("process");
        _exit(0);
    }
    ZERO(pthread_create(&writer, NULL, writes, "thread"));
    ZERO(pthread_create(&other, NULL, answers, NULL));
    unsigned sum = 0;
    for (int i = 0; i < TURNS; i++) {
        char byte = (char)i;
        CHECK_EQ(write(there[1], &byte, 1), 1);
        CHECK_EQ(read(back[0], &byte, 1), 1);
        sum = sum * 31 + (unsigned char)byte;
    }
    ZERO(pthread_join(writer, NULL));
    ZERO(pthread_join(other, NULL));
    expect_exit(pid, 0);
    CHECK_EQ(atomic_load(&written), ROUNDS);
    say("%u", sum);
    return 0;
}
