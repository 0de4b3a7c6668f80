/* Handlers inside handlers, handlers that call the system, and a longjmp out of two of them. */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf out;
static int order[32];
static volatile sig_atomic_t count;
static int p[2];

static void outer(int s, siginfo_t *info, void *context) {
    (void)info, (void)context;
    order[count++] = s;
    write_all(p[1], "o", 1);
    raise(SIGUSR2);
    order[count++] = -s;
}
static void inner(int s, siginfo_t *info, void *context) {
    (void)info, (void)context;
    char c;
    order[count++] = s;
    read_exactly(p[0], &c, 1);
    pid_t pid = OK(fork());
    if (pid == 0)
        _exit(c);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 'o');
    order[count++] = -s;
}
static void leaves(int s, siginfo_t *info, void *context) {
    (void)info, (void)context;
    if (s == SIGHUP)
        raise(SIGTERM);
    siglongjmp(out, s);
}

int main(void) {
    OK(pipe(p));
    handle(SIGUSR1, outer, 0);
    handle(SIGUSR2, inner, 0);
    handle(SIGHUP, leaves, 0);
    handle(SIGTERM, leaves, 0);
    for (int i = 0; i < 3; i++) {
        count = 0;
        OK(raise(SIGUSR1));
        CHECK(count == 4 && order[0] == SIGUSR1 && order[1] == SIGUSR2 && order[2] == -SIGUSR2 &&
              order[3] == -SIGUSR1);
    }
    for (volatile int i = 0; i < 20; i++) {
        int r = sigsetjmp(out, 1);
        if (r == 0) {
            raise(SIGHUP);
            CHECK(0);
        }
        CHECK_EQ(r, SIGTERM);
        sigset_t mask;
        OK(sigprocmask(SIG_BLOCK, NULL, &mask));
        CHECK(!sigismember(&mask, SIGHUP) && !sigismember(&mask, SIGTERM));
    }
    say("nested and left by jumps, %d", (int)getpid());
    return 0;
}
