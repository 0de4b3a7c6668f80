/* How far the kernel writes: calls about files, descriptors, queues, and waits for them. */
#include "outputs.h"
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/statfs.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#define CALL(name, ...) syscall(SYS_##name, __VA_ARGS__)

int main(void) {
    make_file("f", "0123456789", 10);
    OK(symlink("a target of some length", "link"));
    int fd = OK(open("f", O_RDWR)), dir = OK(open(".", O_RDONLY | O_DIRECTORY));
    SEEN(CALL(stat, "f", OUT(0)));
    SEEN(CALL(lstat, "link", OUT(0)));
    SEEN(CALL(fstat, fd, OUT(0)));
    SEEN(CALL(statx, AT_FDCWD, "f", 0, 0, OUT(0)));
    SEEN(CALL(statx, AT_FDCWD, "f", 0, 0xfff, OUT(0)));
    SEEN(CALL(statfs, "f", OUT(0)));
    SEEN(CALL(fstatfs, fd, OUT(0)));
    SEEN(CALL(ustat, 1, OUT(0)));
    SEEN(CALL(readlink, "link", OUT(0), 100));
    SEEN(CALL(readlink, "link", OUT(0), 5));
    SEEN(CALL(readlinkat, dir, "link", OUT(0), 23));
    SEEN(CALL(pread64, fd, OUT(0), 100, 5));
    SEEN(CALL(pread64, fd, OUT(0), 100, 50));
    SEEN(CALL(preadv, fd, (&(struct iovec[2]){{OUT(0), 3}, {OUT(100), 100}}), 2, 0));
    /* The last of the pieces does not exist: what came before it is there. */
    SEEN(CALL(preadv, fd, (&(struct iovec[2]){{OUT(0), 3}, {(void *)8, 100}}), 2, 0));
    SEEN(CALL(getdents64, dir, OUT(0), 4000) > 0);
    SEEN(CALL(getdents64, dir, OUT(0), 4000));
    OK(lseek(dir, 0, SEEK_SET));
    SEEN(CALL(getdents, dir, OUT(0), 4000) > 0);
    OK(lseek(dir, 0, SEEK_SET));
    SEEN(CALL(getdents64, dir, OUT(0), 10));
    SEEN(CALL(getxattr, "f", "user.none", OUT(0), 100));
    if (setxattr("f", "user.some", "a value", 7, 0) == 0) {
        SEEN(CALL(getxattr, "f", "user.some", OUT(0), 100));
        SEEN(CALL(getxattr, "f", "user.some", OUT(0), 3));
        SEEN(CALL(getxattr, "f", "user.some", OUT(0), 0));
        SEEN(CALL(listxattr, "f", OUT(0), 100));
    }
    SEEN((*(unsigned *)OUT(0) = 0, CALL(name_to_handle_at, AT_FDCWD, "f", OUT(0), OUT(256), 0)));
    SEEN((*(unsigned *)OUT(0) = 128, CALL(name_to_handle_at, AT_FDCWD, "f", OUT(0), OUT(256), 0)));
    SEEN(ioctl(fd, FIONREAD, OUT(0)));
    SEEN(ioctl(fd, FS_IOC_GETFLAGS, OUT(0)));
    SEEN(ioctl(fd, FS_IOC_GETVERSION, OUT(0)));
    SEEN(ioctl(fd, FS_IOC_FSGETXATTR, OUT(0)));
    SEEN(ioctl(fd, FIGETBSZ, OUT(0)));
    SEEN((memset(OUT(0), 0, sizeof(struct fiemap)), ((struct fiemap *)OUT(0))->fm_length = 4096,
          ((struct fiemap *)OUT(0))->fm_extent_count = 4, ioctl(fd, FS_IOC_FIEMAP, OUT(0))));
    SEEN(ioctl(fd, TCGETS, OUT(0)));
    SEEN(ioctl(fd, TIOCGWINSZ, OUT(0)));
    SEEN((memset(OUT(0), 0, 32), ((struct flock *)OUT(0))->l_type = F_WRLCK, fcntl(fd, F_GETLK, OUT(0))));
    SEEN(fcntl(fd, F_GETOWN_EX, OUT(0)));
    SEEN(fcntl(fd, 1036 /* F_GET_RW_HINT */, OUT(0)));
    SEEN((*(long *)OUT(0) = 2, CALL(sendfile, OK(open("copy", O_RDWR | O_CREAT, 0600)), fd, OUT(0), 4)));
    SEEN((*(long *)OUT(0) = 1, *(long *)OUT(64) = 20, CALL(copy_file_range, fd, OUT(0), 5, OUT(64), 4, 0)));
    SEEN(CALL(mincore, room, sizeof room, OUT(100)));
    SEEN(syscall(451, fd, (&(uint64_t[2]){0, 0}), OUT(0), 0) == 0 ? 0 : -1);

    int p[2];
    SEEN(CALL(pipe2, OUT(0), O_NONBLOCK));
    OK(pipe2(p, O_NONBLOCK));
    SEEN(CALL(read, p[0], OUT(0), 100));
    OK(write(p[1], "abc", 3));
    SEEN((memset(OUT(0), 0, 16), *(int *)OUT(0) = p[0], ((short *)OUT(0))[2] = POLLIN, CALL(poll, OUT(0), 1, 0)));
    SEEN((*(int *)OUT(0) = p[0], ((short *)OUT(0))[2] = POLLIN | POLLOUT, *(long *)OUT(64) = 0, *(long *)OUT(72) = 5,
          CALL(ppoll, OUT(0), 1, OUT(64), NULL, 8)));
    SEEN((*(int *)OUT(0) = p[1], ((short *)OUT(0))[2] = POLLIN, *(long *)OUT(64) = 0, *(long *)OUT(72) = 50000,
          CALL(ppoll, OUT(0), 1, OUT(64), NULL, 8)));
    /* As many bits as descriptors are asked about, in whole words. */
    for (int n = p[0] + 1; n < 200; n += 61)
        SEEN((memset(OUT(0), 0, 32), memset(OUT(64), 0, 32), FD_SET(p[0], (fd_set *)OUT(0)),
              CALL(select, n, OUT(0), OUT(64), NULL, (&(struct timeval){0, 10}))));
    SEEN((memset(OUT(0), 0, 128), FD_SET(p[1], (fd_set *)OUT(0)), *(long *)OUT(256) = 0, *(long *)OUT(264) = 1000,
          CALL(pselect6, p[1] + 1, OUT(0), NULL, NULL, OUT(256), NULL)));
    SEEN(CALL(select, -1, OUT(0), NULL, NULL, NULL));
    int e = OK(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 77};
    OK(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &event));
    SEEN(CALL(epoll_wait, e, OUT(0), 10, 0));
    SEEN(CALL(epoll_pwait2, e, OUT(0), 10, (&(struct timespec){0, 0}), NULL, 8));
    SEEN(CALL(read, p[0], OUT(0), 2));
    SEEN(CALL(tee, p[0], 5, 10, 0));
    int counter = OK(eventfd(5, 0));
    SEEN(CALL(read, counter, OUT(0), 100));
    int timer = OK(timerfd_create(CLOCK_MONOTONIC, 0));
    struct itimerspec in = {{0, 1000000}, {0, 1000000}};
    OK(timerfd_settime(timer, 0, &in, NULL));
    SEEN(CALL(read, timer, OUT(0), 100));
    SEEN(CALL(timerfd_gettime, timer, OUT(0)));
    SEEN(CALL(timerfd_settime, timer, 0, &in, OUT(0)));
    int watch = OK(inotify_init1(IN_NONBLOCK));
    OK(inotify_add_watch(watch, ".", IN_CREATE));
    SEEN(CALL(read, watch, OUT(0), 1000));
    make_file("fresh", "", 0);
    SEEN(CALL(read, watch, OUT(0), 1000));
    SEEN(ioctl(watch, FIONREAD, OUT(0)));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    int signals = OK(signalfd(-1, &set, SFD_NONBLOCK));
    SEEN(CALL(read, signals, OUT(0), 1000));
    OK(kill(getpid(), SIGUSR1));
    SEEN(CALL(read, signals, OUT(0), 1000));

    char name[64];
    snprintf(name, sizeof name, "/ftrun-outputs-%d", (int)getpid());
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, NULL);
    if (queue >= 0) {
        OK(mq_unlink(name));
        SEEN(CALL(mq_getsetattr, queue, NULL, OUT(0)));
        SEEN(CALL(mq_timedreceive, queue, OUT(0), 8192, OUT(64), NULL));
        OK(mq_send(queue, "message", 7, 3));
        SEEN(CALL(mq_timedreceive, queue, OUT(0), 8192, NULL, NULL));
        OK(mq_send(queue, "message", 7, 3));
        unsigned priority = 0;
        SEEN(CALL(mq_timedreceive, queue, OUT(0), 8192, &priority, NULL));
        say("priority %u", priority);
    }
    return 0;
}
