/* A thread waits for another one, and its wait begins anew with every signal that the process ignores,
 * also if the other one has taken that signal by then. The other one makes its system calls in its own
 * code, and each of them once: that of the wait is the first one of the library that comes again. */
#include "guest.h"

#define RAW(number, a, b, c)                                                                                 \
    do {                                                                                                     \
        long result_;                                                                                        \
        __asm__ volatile("syscall"                                                                           \
                         : "=a"(result_)                                                                     \
                         : "0"((long)(number)), "D"((long)(a)), "S"((long)(b)), "d"((long)(c))               \
                         : "rcx", "r11", "memory");                                                          \
        CHECK(result_ >= 0);                                                                                 \
    } while (0)
#define LOOK RAW(SYS_getppid, 0, 0, 0)
#define FIVE(what)                                                                                           \
    what;                                                                                                    \
    what;                                                                                                    \
    what;                                                                                                    \
    what;                                                                                                    \
    what
#define WAKE                                                                                                 \
    RAW(SYS_kill, process, SIGWINCH, 0);                                                                     \
    RAW(SYS_nanosleep, &moment, 0, 0)

static pid_t process;

static void *other(void *unused) {
    struct timespec moment = {0, 3000000};
    RAW(SYS_nanosleep, &moment, 0, 0);
    FIVE(FIVE(LOOK));
    FIVE(LOOK);
    FIVE(WAKE);
    FIVE(WAKE);
    return unused;
}

int main(void) {
    pthread_t thread;
    process = getpid();
    CHECK_EQ(pthread_create(&thread, NULL, other, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    say("joined");
    return 0;
}
