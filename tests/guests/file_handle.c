/* name_to_handle_at and open_by_handle_at: the handle is an opaque value that must come back the same. */
#include "guest.h"

int main(void) {
    make_file("f", "by handle", 9);
    struct {
        struct file_handle h;
        unsigned char bytes[MAX_HANDLE_SZ];
    } handle_of;
    int mount_id = 0;
    handle_of.h.handle_bytes = 0;
    int r = name_to_handle_at(AT_FDCWD, "f", &handle_of.h, &mount_id, 0);
    CHECK_EQ(r, -1);
    if (errno == EOPNOTSUPP || errno == EPERM || errno == ENOSYS) {
        say("no handles here: %d", errno);
        return 0;
    }
    CHECK_EQ(errno, EOVERFLOW);
    say("needs %u bytes", handle_of.h.handle_bytes);
    OK(name_to_handle_at(AT_FDCWD, "f", &handle_of.h, &mount_id, 0));
    say("type %d mount %d hash %016lx", handle_of.h.handle_type, mount_id,
        (unsigned long)hash(handle_of.h.f_handle, handle_of.h.handle_bytes));
    int dir = OK(open(".", O_RDONLY));
    int fd = open_by_handle_at(dir, &handle_of.h, O_RDONLY);
    if (fd < 0) {
        say("open_by_handle_at: %d", errno);
        return 0;
    }
    char text[16];
    CHECK_EQ(read(fd, text, sizeof text), 9);
    CHECK(memcmp(text, "by handle", 9) == 0);
    say("fd %d", fd);
    return 0;
}
