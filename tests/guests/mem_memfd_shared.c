/* A memfd passed over a socket and mapped in two processes that take turns by futex in it. */
#include "net.h"
#include <linux/futex.h>

static void wait_for(uint32_t *word, uint32_t value) {
    uint32_t now;
    while ((now = __atomic_load_n(word, __ATOMIC_SEQ_CST)) != value)
        syscall(SYS_futex, word, FUTEX_WAIT, now, NULL, NULL, 0);
}
static void set(uint32_t *word, uint32_t value) {
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
    OK(syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
}

int main(void) {
    int pair[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'm';
    struct iovec v = {&byte, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    pid_t pid = OK(fork());
    if (pid == 0) {
        CHECK_EQ(recvmsg(pair[1], &m, 0), 1);
        int fd;
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
        uint32_t *words = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        for (uint32_t i = 1; i <= 20; i++) {
            wait_for(&words[0], i);
            words[10 + i] = words[1] * 2;
            set(&words[2], i);
        }
        _exit(0);
    }
    int fd = OK(memfd_create("shared", 0));
    OK(ftruncate(fd, (off_t)PAGE));
    uint32_t *words = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    CHECK_EQ(sendmsg(pair[0], &m, 0), 1);
    for (uint32_t i = 1; i <= 20; i++) {
        words[1] = i * i;
        set(&words[0], i);
        wait_for(&words[2], i);
        CHECK_EQ(words[10 + i], 2 * i * i);
    }
    expect_exit(pid, 0);
    say("shared page %016lx", (unsigned long)hash(words, PAGE));
    return 0;
}
