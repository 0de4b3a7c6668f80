/* getrlimit, setrlimit, prlimit64 for self and child; limits that bite. */
#include "guest.h"
#include <sys/resource.h>

int main(void) {
    for (int i = 0; i < 16; i++) {
        struct rlimit r;
        OK(getrlimit((__rlimit_resource_t)i, &r));
        say("limit %d: %lu %lu", i, (unsigned long)r.rlim_cur, (unsigned long)r.rlim_max);
    }
    struct rlimit file = {1000, RLIM_INFINITY}, old;
    OK(getrlimit(RLIMIT_FSIZE, &old));
    file.rlim_max = old.rlim_max;
    OK(setrlimit(RLIMIT_FSIZE, &file));
    signal(SIGXFSZ, SIG_IGN);
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    char data[2000] = {0};
    CHECK_EQ(write(fd, data, sizeof data), 1000);
    FAILS(write(fd, data, 1), EFBIG);
    OK(setrlimit(RLIMIT_FSIZE, &old));
    pid_t pid = OK(fork());
    if (pid == 0) {
        signal(SIGXFSZ, SIG_DFL);
        struct rlimit none = {0, 0};
        OK(setrlimit(RLIMIT_CORE, &none));
        OK(setrlimit(RLIMIT_FSIZE, &file));
        CHECK(write(fd, data, 100) > 0);
        _exit(0);
    }
    expect_signal(pid, SIGXFSZ);
    int hold[2];
    OK(pipe(hold));
    pid = OK(fork());
    if (pid == 0) {
        char c;
        close(hold[1]);
        CHECK_EQ(read(hold[0], &c, 1), 0);
        struct rlimit r;
        OK(getrlimit(RLIMIT_STACK, &r));
        CHECK_EQ(r.rlim_cur, 1 << 20);
        _exit(0);
    }
    struct rlimit stack = {1 << 20, 1 << 21}, was;
    OK(prlimit(pid, RLIMIT_STACK, &stack, &was));
    say("child's stack limit was %lu", (unsigned long)was.rlim_cur);
    OK(close(hold[1]));
    expect_exit(pid, 0);
    FAILS(getrlimit((__rlimit_resource_t)99, &old), EINVAL);
    struct rlimit upside_down = {10, 5};
    FAILS(setrlimit(RLIMIT_NPROC, &upside_down), EINVAL);
    return 0;
}
