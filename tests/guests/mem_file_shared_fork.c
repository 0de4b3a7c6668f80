/* One file mapped shared by two processes, each at its own address; handshakes over a pipe. */
#include "guest.h"

int main(void) {
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    OK(ftruncate(fd, (off_t)(2 * PAGE)));
    volatile uint32_t *inherited = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    int there[2], back[2];
    OK(pipe(there));
    OK(pipe(back));
    char c;
    pid_t pid = OK(fork());
    if (pid == 0) {
        int mine = OK(open("f", O_RDWR));
        volatile uint32_t *own = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mine, 0));
        CHECK(own != inherited);
        for (uint32_t i = 0; i < 50; i++) {
            read_exactly(there[0], &c, 1);
            CHECK_EQ(own[i], i * 3);
            CHECK_EQ(inherited[i], i * 3);
            own[512 + i] = own[i] + (uint32_t)getpid();
            write_all(back[1], "b", 1);
        }
        _exit(0);
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 50; i++) {
        inherited[i] = i * 3;
        write_all(there[1], "t", 1);
        read_exactly(back[0], &c, 1);
        CHECK_EQ(inherited[512 + i], i * 3 + (uint32_t)pid);
        sum = sum * 31 + inherited[512 + i];
    }
    expect_exit(pid, 0);
    uint32_t value;
    CHECK_EQ(pread(fd, &value, 4, (512 + 49) * 4), 4);
    CHECK_EQ(value, 49 * 3 + (uint32_t)pid);
    say("sum %016lx", (unsigned long)sum);
    return 0;
}
