/* Children: waited for at once, late (they are zombies meanwhile), by number, by a signal, never. */
#include "../guests/guest.h"

int main(void) {
    pid_t late[3];
    for (int i = 0; i < 3; i++) {
        late[i] = OK(fork());
        if (late[i] == 0) {
            char name[16];
            snprintf(name, sizeof name, "child%d", i);
            int file = OK(open(name, O_CREAT | O_WRONLY, 0644));
            dprintf(file, "parent %d, self %d\n", getppid(), getpid());
            _exit(20 + i);
        }
    }
    usleep(5000);
    pid_t sleeper = OK(fork());
    if (sleeper == 0) {
        pause();
        _exit(1);
    }
    say("started %d", sleeper - late[0]);
    for (int i = 2; i >= 0; i--)
        expect_exit(late[i], 20 + i);
    OK(kill(sleeper, SIGTERM));
    int status;
    CHECK_EQ(waitpid(sleeper, &status, 0), sleeper);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    siginfo_t info;
    pid_t child = OK(fork());
    if (child == 0)
        _exit(3);
    OK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
    CHECK_EQ(info.si_status, 3);
    expect_exit(child, 3);
    CHECK(wait(NULL) == -1 && errno == ECHILD);
    pid_t orphan = OK(fork());
    if (orphan == 0) {
        if (OK(fork()) == 0) {
            usleep(20000);
            int file = OK(open("orphan", O_CREAT | O_WRONLY, 0644));
            OK(write(file, "done\n", 5));
            _exit(0);
        }
        _exit(0);
    }
    expect_exit(orphan, 0);
    usleep(40000);
    say("end");
    return 5;
}
