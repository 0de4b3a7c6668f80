/* Fifty short children at a time of which some overlap; every exit code comes back once. */
#include "guest.h"

int main(void) {
    int seen[50] = {0};
    pid_t pids[50];
    uint64_t order = 0;
    for (int i = 0; i < 50; i++) {
        pids[i] = OK(fork());
        if (pids[i] == 0) {
            if (i % 7 == 0)
                sleep_ms(2);
            _exit(i);
        }
        if (i % 10 == 9)
            for (int k = 0; k < 10; k++) {
                int status;
                pid_t pid = OK(wait(&status));
                CHECK(WIFEXITED(status));
                int code = WEXITSTATUS(status);
                CHECK(pids[code] == pid && seen[code]++ == 0);
                order = order * 51 + (uint64_t)code;
            }
    }
    FAILS(wait(NULL), ECHILD);
    say("reaped in order %016lx", (unsigned long)order);
    return 0;
}
