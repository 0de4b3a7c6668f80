/* One epoll loop over everything that can be waited for: timer, signals, counter, pipe, socket, child, files' events. */
#include "guest.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

enum { TIMER, SIGNALS, COUNTER, PIPE, SOCKET, CHILD, FILES, KINDS };

int main(void) {
    int fds[KINDS], p[2], pair[2];
    uint64_t number;
    char buffer[4096];
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    OK(pipe2(p, O_NONBLOCK));
    OK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair));
    fds[TIMER] = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    fds[SIGNALS] = OK(signalfd(-1, &set, SFD_NONBLOCK));
    fds[COUNTER] = OK(eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE));
    fds[PIPE] = p[0];
    fds[SOCKET] = pair[0];
    fds[FILES] = OK(inotify_init1(IN_NONBLOCK));
    OK(inotify_add_watch(fds[FILES], ".", IN_CREATE));
    pid_t pid = OK(fork());
    if (pid == 0) {
        for (int i = 0; i < 20; i++) {
            number = 1;
            CHECK_EQ(write(fds[COUNTER], &number, 8), 8);
            CHECK_EQ(write(p[1], "p", 1), 1);
            CHECK_EQ(send(pair[1], "d", 1, 0), 1);
            char name[32];
            snprintf(name, sizeof name, "file%d", i);
            make_file(name, "", 0);
            sleep_ms(1);
        }
        OK(kill(getppid(), SIGUSR1));
        _exit(9);
    }
    fds[CHILD] = (int)OK(syscall(SYS_pidfd_open, pid, 0));
    struct itimerspec every = {{0, 2000000}, {0, 1000000}};
    OK(timerfd_settime(fds[TIMER], 0, &every, NULL));
    int e = OK(epoll_create1(EPOLL_CLOEXEC)), outer = OK(epoll_create1(0));
    for (int i = 0; i < KINDS; i++) {
        struct epoll_event event = {.events = EPOLLIN | (i % 2 ? EPOLLET : 0), .data.u32 = (uint32_t)i};
        OK(epoll_ctl(e, EPOLL_CTL_ADD, fds[i], &event));
    }
    /* One set inside another. */
    OK(epoll_ctl(outer, EPOLL_CTL_ADD, e, &(struct epoll_event){.events = EPOLLIN}));
    int counts[KINDS] = {0}, waits = 0, ended = 0;
    while (!ended || counts[SIGNALS] < 2 || counts[COUNTER] < 20 || counts[PIPE] < 20 || counts[SOCKET] < 20 ||
           counts[FILES] < 20) {
        struct epoll_event got[4];
        CHECK_EQ(epoll_wait(outer, got, 4, -1), 1);
        int n = OK(epoll_wait(e, got, 4, 0));
        waits++;
        for (int i = 0; i < n; i++) {
            int kind = (int)got[i].data.u32;
            ssize_t r;
            switch (kind) {
            case CHILD:
                if (!ended) {
                    siginfo_t info;
                    OK(waitid((idtype_t)3 /* P_PIDFD */, (id_t)fds[CHILD], &info, WEXITED));
                    CHECK(info.si_status == 9 && info.si_pid == pid);
                    ended = 1;
                    OK(epoll_ctl(e, EPOLL_CTL_DEL, fds[CHILD], NULL));
                }
                break;
            case TIMER:
                if (read(fds[TIMER], &number, 8) == 8)
                    counts[TIMER] += (int)number;
                break;
            case SIGNALS: {
                struct signalfd_siginfo info;
                while (read(fds[SIGNALS], &info, sizeof info) == (ssize_t)sizeof info) {
                    CHECK(info.ssi_pid == (uint32_t)pid);
                    counts[SIGNALS]++;
                }
                break;
            }
            case FILES:
                while ((r = read(fds[FILES], buffer, sizeof buffer)) > 0)
                    for (char *at = buffer; at < buffer + r;) {
                        const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
                        counts[FILES] += event->mask == IN_CREATE;
                        at += sizeof *event + event->len;
                    }
                break;
            default:
                while ((r = read(fds[kind], buffer, kind == PIPE ? 1 : 8)) > 0)
                    counts[kind]++;
                CHECK_EQ(errno, EAGAIN);
            }
        }
    }
    say("%d rounds, %d ticks; %d %d %d %d", waits, counts[TIMER], counts[COUNTER], counts[PIPE], counts[SOCKET],
        counts[FILES]);
    return 0;
}
