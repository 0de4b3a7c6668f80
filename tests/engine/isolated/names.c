/* The host's name and the mounts can be changed without anybody else seeing it. */
#include "../../guests/guest.h"
#include <sys/mount.h>
#include <sys/utsname.h>

int main(int count, char **arguments) {
    CHECK_EQ(count, 3);
    struct utsname names;
    OK(uname(&names));
    CHECK(strcmp(names.nodename, arguments[1]) == 0);
    OK(sethostname("inside", 6));
    OK(uname(&names));
    CHECK(strcmp(names.nodename, "inside") == 0);
    OK(mount("tmpfs", arguments[2], "tmpfs", 0, NULL));
    char path[4096];
    snprintf(path, sizeof path, "%s/inside", arguments[2]);
    make_file(path, "x", 1);
    say("%s on %s", names.nodename, names.release);
    return 0;
}
