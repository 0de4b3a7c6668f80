/* Strict seccomp: read, write, exit and sigreturn go on; anything else ends with SIGKILL. */
#include "guest.h"
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

int main(void) {
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    int p[2];
    OK(pipe(p));
    CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
    for (int i = 0; i < 2; i++) {
        pid_t pid = OK(fork());
        if (pid == 0) {
            OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
            say("strict now");
            char byte;
            if (read(p[0], &byte, 1) != 1 || byte != 'b')
                syscall(SYS_exit, 1);
            if (i == 1)
                syscall(SYS_getpid);
            syscall(SYS_exit, 4);
        }
        write_all(p[1], "b", 1);
        if (i == 0)
            expect_exit(pid, 4);
        else
            expect_signal(pid, SIGKILL);
    }
    return 0;
}
