/* A daemon by double fork and setsid outlives its starter, works, and is waited for by its output. */
#include "guest.h"

int main(void) {
    int p[2];
    OK(pipe(p));
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(setsid());
        CHECK_EQ(getsid(0), getpid());
        pid_t second = OK(fork());
        if (second > 0)
            _exit(0);
        OK(close(p[0]));
        OK(chdir("/"));
        umask(0);
        CHECK(getsid(0) != getpid());
        int null = OK(open("/dev/null", O_RDWR));
        OK(dup2(null, 0));
        OK(dup2(null, 1));
        OK(dup2(null, 2));
        for (int i = 0; i < 5; i++) {
            dprintf(p[1], "tick %d of daemon %d in session %d\n", i, (int)getpid(), (int)getsid(0));
            sleep_ms(1);
        }
        _exit(0);
    }
    expect_exit(pid, 0);
    OK(close(p[1]));
    char text[1000];
    size_t n = read_to_end(p[0], text, sizeof text - 1);
    text[n] = 0;
    CHECK(strstr(text, "tick 4"));
    say("%s", text);
    return 0;
}
