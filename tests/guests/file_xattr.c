/* Extended attributes by path, link and descriptor; the filesystem may have none. */
#include "guest.h"
#include <sys/xattr.h>

int main(void) {
    make_file("f", "x", 1);
    int fd = OK(open("f", O_RDWR));
    char value[200];
    if (setxattr("f", "user.one", "alpha", 5, XATTR_CREATE) != 0) {
        CHECK(errno == EOPNOTSUPP || errno == EPERM);
        say("no attributes here: errno %d", errno);
        FAILS(getxattr("nothing", "user.one", value, 1), ENOENT);
        return 0;
    }
    FAILS(setxattr("f", "user.one", "beta", 4, XATTR_CREATE), EEXIST);
    FAILS(setxattr("f", "user.two", "beta", 4, XATTR_REPLACE), ENODATA);
    OK(fsetxattr(fd, "user.two", "gamma!", 6, 0));
    CHECK_EQ(getxattr("f", "user.one", value, sizeof value), 5);
    CHECK(memcmp(value, "alpha", 5) == 0);
    CHECK_EQ(getxattr("f", "user.one", NULL, 0), 5);
    FAILS(getxattr("f", "user.one", value, 2), ERANGE);
    CHECK_EQ(fgetxattr(fd, "user.two", value, sizeof value), 6);
    CHECK_EQ(lgetxattr("f", "user.two", value, sizeof value), 6);
    ssize_t n = OK(listxattr("f", value, sizeof value));
    CHECK_EQ(n, listxattr("f", NULL, 0));
    CHECK_EQ(n, flistxattr(fd, value, sizeof value));
    CHECK_EQ(n, llistxattr("f", value, sizeof value));
    say("names: %zd bytes, hash %016lx", n, (unsigned long)hash(value, (size_t)n));
    OK(removexattr("f", "user.one"));
    OK(fremovexattr(fd, "user.two"));
    FAILS(lremovexattr("f", "user.two"), ENODATA);
    FAILS(getxattr("f", "user.one", value, sizeof value), ENODATA);
    return 0;
}
