/* posix_spawn with file actions and attributes, system, popen. */
#include "guest.h"
#include <spawn.h>

extern char **environ;

int main(int argc, char **argv) {
    if (argc > 1) {
        char text[100];
        ssize_t n = read(0, text, sizeof text);
        say("spawned %s: pgid is pid %d, read %zd", argv[1], getpgrp() == getpid(), n);
        sigset_t mask;
        OK(sigprocmask(SIG_BLOCK, NULL, &mask));
        return sigismember(&mask, SIGUSR1) ? 11 : 12;
    }
    make_file("input", "some input", 10);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ZERO(posix_spawn_file_actions_init(&actions));
    ZERO(posix_spawn_file_actions_addopen(&actions, 0, "input", O_RDONLY, 0));
    ZERO(posix_spawnattr_init(&attributes));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ZERO(posix_spawnattr_setsigmask(&attributes, &set));
    ZERO(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK));
    char *const arguments[] = {argv[0], (char *)"one", NULL};
    pid_t pid;
    ZERO(posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments, environ));
    expect_exit(pid, 11);
    CHECK_EQ(posix_spawn(&pid, "./nothing", NULL, NULL, arguments, environ), ENOENT);

    int status = system("exit 3");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    CHECK(system(NULL) != 0);
    FILE *f = popen("echo from the shell; exit 4", "r");
    CHECK(f);
    char line[100];
    CHECK(fgets(line, sizeof line, f));
    CHECK(strcmp(line, "from the shell\n") == 0);
    status = pclose(f);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
    say("spawned %d", (int)pid);
    return 0;
}
