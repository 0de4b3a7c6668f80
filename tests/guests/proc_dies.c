/* The main process dies by a signal: which one is the argument's (abort by default). */
#include "guest.h"
#include <sys/resource.h>

int main(int argc, char **argv) {
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    pid_t pid = OK(fork());
    if (pid == 0) {
        for (int i = 0; i < 3; i++)
            sleep_ms(1);
        _exit(0);
    }
    expect_exit(pid, 0);
    say("%d dies now", (int)getpid());
    if (argc < 2)
        abort();
    if (strcmp(argv[1], "segv") == 0)
        *(volatile int *)(uintptr_t)(argc - 2) = 1;
    else if (strcmp(argv[1], "fpe") == 0)
        return argc / (argc - 2);
    else if (strcmp(argv[1], "ill") == 0)
        __asm__ volatile("ud2");
    else if (strcmp(argv[1], "trap") == 0)
        __asm__ volatile("int3");
    else
        kill(getpid(), atoi(argv[1]));
    sleep(5);
    return 1;
}
