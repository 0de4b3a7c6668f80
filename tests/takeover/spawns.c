/* posix_spawn with actions on files, and what its children write. */
#include "../guests/guest.h"
#include <spawn.h>

extern char **environ;

int main(void) {
    for (int i = 0; i < 3; i++) {
        posix_spawn_file_actions_t actions;
        ZERO(posix_spawn_file_actions_init(&actions));
        ZERO(posix_spawn_file_actions_addopen(&actions, 1, "spawned", O_CREAT | O_WRONLY | O_APPEND, 0644));
        char number[8];
        snprintf(number, sizeof number, "%d", i);
        char *argv[] = {"echo", "child", number, NULL};
        pid_t child;
        ZERO(posix_spawnp(&child, "/bin/echo", &actions, NULL, argv, environ));
        ZERO(posix_spawn_file_actions_destroy(&actions));
        expect_exit(child, 0);
        say("spawned %d", i);
    }
    return 0;
}
