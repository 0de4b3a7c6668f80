/* A private and a shared map of one file: what is stored through the shared one shows in the other until its page is written. */
#include "guest.h"

int main(void) {
    static char data[3 * 4096];
    fill(data, sizeof data, 3);
    make_file("f", data, sizeof data);
    int fd = OK(open("f", O_RDWR));
    char *shared = OK(mmap(NULL, sizeof data, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char *private = OK(mmap(NULL, sizeof data, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    CHECK(memcmp(private, data, sizeof data) == 0);
    shared[10] = 's';
    CHECK_EQ(private[10], 's');
    private[11] = 'p';
    shared[12] = 't';
    CHECK(private[10] == 's' && private[11] == 'p' && private[12] == data[12] && shared[11] == data[11]);
    pid_t pid = OK(fork());
    if (pid == 0) {
        shared[PAGE] = 'c';
        CHECK_EQ(private[PAGE], 'c');
        private[PAGE] = 'q';
        _exit(0);
    }
    expect_exit(pid, 0);
    CHECK_EQ(private[PAGE], 'c');
    OK(msync(shared, sizeof data, MS_SYNC));
    say("%016lx %016lx", (unsigned long)hash(shared, sizeof data), (unsigned long)hash(private, sizeof data));
    return 0;
}
