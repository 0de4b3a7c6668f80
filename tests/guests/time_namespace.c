/* A time namespace, where allowed: its processes have another CLOCK_MONOTONIC, by vDSO and by system call. */
#include "guest.h"
#include <sys/syscall.h>
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

int main(void) {
    pid_t starter = OK(fork());
    if (starter == 0) {
        if (unshare(CLONE_NEWTIME) != 0) {
            say("no namespace, errno %d", errno);
            CHECK(errno == EPERM || errno == EINVAL || errno == ENOSPC);
            _exit(0);
        }
        int fd = OK(open("/proc/self/timens_offsets", O_WRONLY));
        write_all(fd, "monotonic 1000000 0\nboottime 2000000 0\n", 39);
        OK(close(fd));
        struct timespec outside, inside, called, boot;
        OK(clock_gettime(CLOCK_MONOTONIC, &outside));
        int p[2];
        OK(pipe(p));
        pid_t pid = OK(fork());
        if (pid == 0) {
            OK(clock_gettime(CLOCK_MONOTONIC, &inside));
            OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &called));
            OK(clock_gettime(CLOCK_BOOTTIME, &boot));
            CHECK(inside.tv_sec - outside.tv_sec >= 1000000 && inside.tv_sec - outside.tv_sec < 1000100);
            CHECK(called.tv_sec - inside.tv_sec >= 0 && called.tv_sec - inside.tv_sec < 100);
            CHECK(boot.tv_sec >= 2000000);
            struct timespec until = inside;
            until.tv_nsec += 5000000;
            if (until.tv_nsec >= 1000000000)
                until.tv_nsec -= 1000000000, until.tv_sec++;
            ZERO(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
            OK(clock_gettime(CLOCK_MONOTONIC, &called));
            CHECK(called.tv_sec > until.tv_sec || (called.tv_sec == until.tv_sec && called.tv_nsec >= until.tv_nsec));
            say("inside %ld.%09ld", (long)called.tv_sec, called.tv_nsec);
            _exit(3);
        }
        expect_exit(pid, 3);
        OK(clock_gettime(CLOCK_MONOTONIC, &called));
        CHECK(called.tv_sec - outside.tv_sec < 100);
        say("outside %ld.%09ld", (long)called.tv_sec, called.tv_nsec);
        _exit(0);
    }
    expect_exit(starter, 0);
    struct timespec now;
    OK(clock_gettime(CLOCK_MONOTONIC, &now));
    CHECK(now.tv_sec < 1000000000);
    return 0;
}
