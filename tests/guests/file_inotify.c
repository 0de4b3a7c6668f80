/* inotify: the events of a directory, with names, cookies and a nonblocking end. */
#include "guest.h"
#include <sys/inotify.h>
#include <poll.h>

int main(void) {
    OK(mkdir("w", 0700));
    int fd = OK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    int wd = OK(inotify_add_watch(fd, "w", IN_CREATE | IN_DELETE | IN_MOVE | IN_MODIFY | IN_CLOSE_WRITE));
    static char events[8192] __attribute__((aligned(8)));
    FAILS(read(fd, events, sizeof events), EAGAIN);
    make_file("w/file", "x", 1);
    OK(rename("w/file", "w/renamed"));
    OK(unlink("w/renamed"));
    struct pollfd p = {fd, POLLIN, 0};
    CHECK_EQ(poll(&p, 1, 1000), 1);
    ssize_t n = OK(read(fd, events, sizeof events));
    uint32_t all = 0, cookies[2] = {0, 0};
    for (ssize_t at = 0; at < n;) {
        struct inotify_event *e = (struct inotify_event *)(events + at);
        CHECK_EQ(e->wd, wd);
        all |= e->mask;
        if (e->mask & IN_MOVED_FROM)
            cookies[0] = e->cookie;
        if (e->mask & IN_MOVED_TO)
            cookies[1] = e->cookie;
        say("%#x %s cookie %u", e->mask, e->len ? e->name : "", e->cookie);
        at += (ssize_t)(sizeof *e + e->len);
    }
    CHECK_EQ(all, IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE);
    CHECK(cookies[0] && cookies[0] == cookies[1]);
    OK(inotify_rm_watch(fd, wd));
    struct inotify_event ignored;
    CHECK_EQ(read(fd, &ignored, sizeof ignored), sizeof ignored);
    CHECK_EQ(ignored.mask, IN_IGNORED);
    FAILS(inotify_add_watch(fd, "nothing", IN_OPEN), ENOENT);
    int old = OK(syscall(SYS_inotify_init));
    OK(close(old));
    return 0;
}
