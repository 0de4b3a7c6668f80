/* Landlock: a process restricts itself and its children to one directory, where the kernel has it. */
#include "guest.h"
#include <linux/landlock.h>
#include <sys/prctl.h>

int main(void) {
    OK(mkdir("allowed", 0700));
    make_file("allowed/f", "inside", 6);
    make_file("f", "outside", 7);
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 0) {
        say("no landlock, errno %d", errno);
        CHECK(errno == ENOSYS || errno == EOPNOTSUPP);
        return 0;
    }
    say("version %ld", version);
    pid_t pid = OK(fork());
    if (pid == 0) {
        struct landlock_ruleset_attr rules = {.handled_access_fs =
                                                  LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE};
        int set = (int)OK(syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0));
        struct landlock_path_beneath_attr beneath = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
                                                     .parent_fd = OK(open("allowed", O_PATH))};
        OK(syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0));
        OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        OK(syscall(SYS_landlock_restrict_self, set, 0));
        int fd = OK(open("allowed/f", O_RDONLY));
        FAILS(open("f", O_RDONLY), EACCES);
        FAILS(open("allowed/f", O_WRONLY), EACCES);
        pid_t child = OK(fork());
        if (child == 0) {
            FAILS(open("f", O_RDONLY), EACCES);
            _exit(4);
        }
        expect_exit(child, 4);
        say("ruleset %d file %d", set, fd);
        _exit(3);
    }
    expect_exit(pid, 3);
    OK(close(OK(open("f", O_RDWR))));
    return 0;
}
