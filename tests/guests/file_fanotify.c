/* fanotify: what happens in a directory is told, and openings wait until another process has allowed them. */
#include "guest.h"
#include <sys/fanotify.h>

static void refused(const char *what) {
    say("%s: errno %d", what, errno);
    CHECK(errno == EPERM || errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP || errno == ENODEV);
    _exit(0);
}

int main(void) {
    make_file("f", "content", 7);
    make_file("g", "content", 7);
    int group = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_CLOEXEC);
    if (group < 0)
        refused("fanotify_init");
    if (fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE_WRITE | FAN_EVENT_ON_CHILD, AT_FDCWD, ".") != 0)
        refused("fanotify_mark");
    struct fanotify_event_metadata events[8];
    FAILS(read(group, events, sizeof events), EAGAIN);
    OK(close(OK(open("f", O_WRONLY))));
    ssize_t n = OK(read(group, events, sizeof events));
    int count = 0;
    for (struct fanotify_event_metadata *e = events; FAN_EVENT_OK(e, n); e = FAN_EVENT_NEXT(e, n)) {
        CHECK(e->vers == FANOTIFY_METADATA_VERSION && e->pid == getpid());
        char path[64], to[300] = {0};
        snprintf(path, sizeof path, "/proc/self/fd/%d", e->fd);
        OK(readlink(path, to, sizeof to - 1));
        CHECK(strcmp(strrchr(to, '/'), "/f") == 0);
        say("event %#llx by %d, descriptor %d", (unsigned long long)e->mask, e->pid, e->fd);
        OK(close(e->fd));
        count++;
    }
    CHECK(count >= 1);
    OK(close(group));

    group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
    if (group < 0)
        refused("fanotify_init for permissions");
    if (fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, "f") != 0 ||
        fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, "g") != 0)
        refused("fanotify_mark for permissions");
    pid_t pid = OK(fork());
    if (pid == 0) {
        int fd = OK(open("f", O_RDONLY));
        char back[7];
        read_exactly(fd, back, sizeof back);
        FAILS(open("g", O_RDONLY), EPERM);
        _exit(3);
    }
    for (int i = 0; i < 2; i++) {
        n = OK(read(group, events, sizeof events));
        CHECK(FAN_EVENT_OK(events, n) && events[0].mask == FAN_OPEN_PERM && events[0].pid == pid);
        struct fanotify_response response = {events[0].fd, i == 0 ? FAN_ALLOW : FAN_DENY};
        CHECK_EQ(write(group, &response, sizeof response), (ssize_t)sizeof response);
        OK(close(events[0].fd));
    }
    expect_exit(pid, 3);
    say("asked by %d", (int)pid);
    return 0;
}
