/* A 1 ms timer while the program makes system calls of all sorts; how far it got is printed. */
#include "guest.h"
#include <sys/time.h>

static volatile sig_atomic_t hits;
static volatile long at_hit[64], progress;
static void on_alarm(int s) {
    (void)s;
    if (hits < 64)
        at_hit[hits] = progress;
    hits++;
}

int main(void) {
    struct sigaction a = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    OK(sigaction(SIGALRM, &a, NULL));
    struct itimerval t = {{0, 1000}, {0, 1000}};
    OK(setitimer(ITIMER_REAL, &t, NULL));
    int p[2];
    OK(pipe(p));
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    while (hits < 40) {
        char c[16];
        write_all(p[1], "0123456789abcdef", 16);
        read_exactly(p[0], c, 16);
        CHECK(memcmp(c, "0123456789abcdef", 16) == 0);
        CHECK_EQ(pwrite(fd, c, 16, progress % 100 * 16), 16);
        now_ns();
        struct stat st;
        OK(fstat(fd, &st));
        if (progress % 50 == 0) {
            void *m = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
            *(volatile char *)m = 1;
            OK(munmap(m, PAGE));
        }
        progress++;
    }
    memset(&t, 0, sizeof t);
    OK(setitimer(ITIMER_REAL, &t, NULL));
    uint64_t h = hash((const void *)at_hit, sizeof at_hit);
    say("%ld rounds, signals at %016lx", progress, (unsigned long)h);
    return 0;
}
