/* A supervisor of the program's own: system calls of a child wait until another process has answered them. */
#include "guest.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static int install(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static void send_fd(int socket, int fd) {
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } u;
    memset(&u, 0, sizeof u);
    struct iovec v = {(void *)(uintptr_t)"f", 1};
    struct msghdr m = {NULL, 0, &v, 1, &u, sizeof u, 0};
    u.head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&u.head), &fd, sizeof fd);
    OK(sendmsg(socket, &m, 0));
}

static int receive_fd(int socket) {
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } u;
    char byte;
    struct iovec v = {&byte, 1};
    struct msghdr m = {NULL, 0, &v, 1, &u, sizeof u, 0};
    CHECK_EQ(recvmsg(socket, &m, 0), 1);
    int fd;
    memcpy(&fd, CMSG_DATA(&u.head), sizeof fd);
    return fd;
}

int main(void) {
    int pair[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    pid_t pid = OK(fork());
    if (pid == 0) {
        int listener = install();
        if (listener < 0) {
            say("no listener, errno %d", errno);
            CHECK(errno == EBUSY || errno == EINVAL || errno == ENOSYS);
            write_all(pair[1], "n", 1);
            _exit(0);
        }
        write_all(pair[1], "y", 1);
        send_fd(pair[1], listener);
        OK(close(listener));
        CHECK_EQ(getppid(), 4711);
        FAILS(mkdir("refused", 0700), EXDEV);
        OK(mkdir("allowed", 0700));
        _exit(5);
    }
    char answer;
    read_exactly(pair[0], &answer, 1);
    if (answer == 'n') {
        expect_exit(pid, 0);
        return 0;
    }
    int listener = receive_fd(pair[0]);
    for (int i = 0; i < 3; i++) {
        struct seccomp_notif request;
        struct seccomp_notif_resp response;
        memset(&request, 0, sizeof request);
        memset(&response, 0, sizeof response);
        OK(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request));
        CHECK_EQ(request.pid, (unsigned)pid);
        OK(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &request.id));
        say("request %016lx: call %d", (unsigned long)request.id, request.data.nr);
        response.id = request.id;
        if (i == 0)
            response.val = 4711;
        if (i == 1)
            response.error = -EXDEV;
        if (i == 2)
            response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        OK(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response));
    }
    expect_exit(pid, 5);
    OK(access("allowed", F_OK));
    FAILS(access("refused", F_OK), ENOENT);
    return 0;
}
