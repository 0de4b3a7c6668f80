/* wait4 and waitid: WNOHANG, WNOWAIT, WUNTRACED, WCONTINUED, groups, usage, ECHILD. */
#include "guest.h"
#include <sys/resource.h>

int main(void) {
    FAILS(wait(NULL), ECHILD);
    int hold[2];
    OK(pipe(hold));
    pid_t pid = OK(fork());
    if (pid == 0) {
        char c;
        OK(close(hold[1]));
        CHECK_EQ(read(hold[0], &c, 1), 0);
        _exit(31);
    }
    int status = 1234;
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    siginfo_t info;
    memset(&info, 1, sizeof info);
    OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG));
    CHECK(info.si_pid == 0 && info.si_signo == 0);
    OK(kill(pid, SIGSTOP));
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
    OK(kill(pid, SIGCONT));
    OK(waitid(P_PID, (id_t)pid, &info, WCONTINUED));
    CHECK(info.si_code == CLD_CONTINUED && info.si_status == SIGCONT && info.si_pid == pid);
    OK(close(hold[1]));
    OK(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT));
    CHECK(info.si_code == CLD_EXITED && info.si_status == 31 && info.si_pid == pid && info.si_uid == getuid());
    struct rusage usage;
    CHECK_EQ(wait4(-1, &status, 0, &usage), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 31);
    say("child's time %ld.%06ld rss %ld", (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec, usage.ru_maxrss);

    pid_t group[3];
    for (int i = 0; i < 3; i++) {
        group[i] = OK(fork());
        if (group[i] == 0)
            _exit(i);
        /* The child may have ended already; as a zombie it still takes a group. */
        OK(setpgid(group[i], group[0]));
    }
    int seen = 0;
    for (int i = 0; i < 3; i++) {
        pid_t got = OK(waitpid(-group[0], &status, 0));
        for (int k = 0; k < 3; k++)
            if (group[k] == got) {
                CHECK_EQ(WEXITSTATUS(status), k);
                seen |= 1 << k;
            }
    }
    CHECK_EQ(seen, 7);
    FAILS(waitpid(-group[0], &status, 0), ECHILD);
    FAILS(waitpid(0, &status, 0x4000), EINVAL);
    FAILS(waitid(P_PID, (id_t)pid, &info, 0), EINVAL);
    memset(&usage, 0xff, sizeof usage);
    pid = OK(fork());
    if (pid == 0)
        abort();
    OK(syscall(SYS_waitid, P_PID, pid, &info, WEXITED, &usage));
    CHECK((info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED) && info.si_status == SIGABRT);
    say("aborted child %d, code %d", info.si_pid, info.si_code);
    return 0;
}
