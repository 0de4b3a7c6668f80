/* Standard output reached in other ways: copies, /proc, sockets, pidfd_getfd, shared tables, exec, threads. */
#include "guest.h"
#include <sys/socket.h>
#include <sys/uio.h>

static void put(int fd, const char *text) { write_all(fd, text, strlen(text)); }

static char stack[65536] __attribute__((aligned(16)));
static int shared_child(void *argument) {
    OK(dup2(1, 60));
    put(60, (const char *)argument);
    _exit(0);
}

static void *thread(void *unused) {
    put(1, "from a thread\n");
    int fd = OK(fcntl(1, F_DUPFD_CLOEXEC, 80));
    return (void *)((intptr_t)fd + (unused ? 1 : 0));
}

int main(int argc, char **argv) {
    if (argc == 2) {
        put(atoi(argv[1]), "from the new program\n");
        FAILS(write(80, "x", 1), EBADF);
        return 0;
    }
    put(OK(dup(1)), "dup\n");
    put(OK(dup2(1, 50)), "dup2\n");
    put(OK(dup3(1, 51, O_CLOEXEC)), "dup3\n");
    put(OK(fcntl(1, F_DUPFD, 70)), "F_DUPFD\n");
    char path[64];
    put(OK(open("/dev/stdout", O_WRONLY | O_APPEND)), "/dev/stdout\n");
    put(OK(open("/dev/fd/1", O_WRONLY | O_APPEND)), "/dev/fd/1\n");
    put(OK(open("/proc/self/fd/50", O_WRONLY | O_APPEND)), "/proc/self/fd/50\n");
    snprintf(path, sizeof path, "/proc/%d/fd/1", (int)getpid());
    put(OK(open(path, O_WRONLY | O_APPEND)), "by my number\n");
    snprintf(path, sizeof path, "/proc/thread-self/fd/1");
    put(OK(open(path, O_WRONLY | O_APPEND)), "by my thread\n");
    OK(symlink("/proc/self/fd/1", "link"));
    put(OK(open("link", O_WRONLY | O_APPEND)), "through a link\n");
    int dir = OK(open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
    put(OK(openat(dir, "1", O_WRONLY | O_APPEND)), "relative to a directory\n");

    /* Passed to a child that has closed its own. */
    int pair[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } u;
    memset(&u, 0, sizeof u);
    char byte = 'b';
    struct iovec v = {&byte, 1};
    struct msghdr m = {NULL, 0, &v, 1, &u, sizeof u, 0};
    pid_t pid = OK(fork());
    if (pid == 0) {
        for (int fd = 0; fd < 3; fd++)
            OK(close(fd));
        OK(syscall(SYS_close_range, 50, 100, 0));
        CHECK_EQ(recvmsg(pair[1], &m, 0), 1);
        int fd;
        memcpy(&fd, CMSG_DATA(&u.head), sizeof fd);
        put(fd, "through a socket\n");
        _exit(0);
    }
    u.head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    int one = 1;
    memcpy(CMSG_DATA(&u.head), &one, sizeof one);
    OK(sendmsg(pair[0], &m, 0));
    expect_exit(pid, 0);

    int pidfd = OK(syscall(SYS_pidfd_open, getpid(), 0));
    pid = OK(fork());
    if (pid == 0) {
        OK(close(1));
        int fd = OK(syscall(SYS_pidfd_getfd, pidfd, 1, 0));
        put(fd, "through a process\n");
        OK(dup2(fd, 1));
        put(1, "back at its number\n");
        _exit(0);
    }
    expect_exit(pid, 0);

    pid = OK(clone(shared_child, stack + sizeof stack, CLONE_FILES | SIGCHLD, (void *)(uintptr_t)"shared table\n"));
    expect_exit(pid, 0);
    put(60, "made by the child\n");
    pthread_t t;
    void *value;
    ZERO(pthread_create(&t, NULL, thread, NULL));
    ZERO(pthread_join(t, &value));
    put((int)(intptr_t)value, "made by a thread\n");

    /* Its own copy of the table. */
    pid = OK(fork());
    if (pid == 0) {
        int file = OK(open("f", O_RDWR | O_CREAT, 0600));
        OK(dup2(file, 1));
        put(1, "not to be seen\n");
        put(50, "to be seen\n");
        _exit(0);
    }
    expect_exit(pid, 0);
    put(1, "the parent's is the same\n");
    pid = OK(fork());
    if (pid == 0) {
        char *const arguments[] = {argv[0], (char *)"50", NULL};
        OK(close(1));
        execv("/proc/self/exe", arguments);
        _exit(1);
    }
    expect_exit(pid, 0);
    /* Gathered, at no offset, and as a message; and errors among it. */
    struct iovec pieces[3] = {{(void *)(uintptr_t)"in ", 3}, {NULL, 0}, {(void *)(uintptr_t)"pieces\n", 7}};
    CHECK_EQ(writev(50, pieces, 3), 10);
    CHECK_EQ(pwritev2(50, pieces, 3, -1, 0), 10);
    FAILS(syscall(SYS_write, 1, 8, 4), EFAULT);
    long r = send(1, "sent\n", 5, 0);
    CHECK(r == 5 || errno == ENOTSOCK);
    /* What is written to a pipe and spliced to the output. */
    int p[2];
    OK(pipe(p));
    put(p[1], "spliced\n");
    r = splice(p[0], NULL, 1, NULL, 8, 0);
    if (r < 0) {
        CHECK(errno == EINVAL);
        char back[8];
        read_exactly(p[0], back, 8);
        write_all(1, back, 8);
    }
    struct iovec whole = {(void *)(uintptr_t)"vmspliced\n", 10};
    r = vmsplice(1, &whole, 1, 0);
    if (r < 0) {
        CHECK(errno == EBADF || errno == EINVAL);
        put(1, "vmspliced\n");
    }
    return 0;
}
