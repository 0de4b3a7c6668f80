/* execve while other threads are in all sorts of system calls: they are gone, and what they held is free. */
#include "guest.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>

enum { KINDS = 9 };
static int p[2], e;
static _Atomic int ready;
static int word;

static void *busy(void *argument) {
    char byte;
    atomic_fetch_add(&ready, 1);
    for (;;)
        switch ((intptr_t)argument) {
        case 0:
            (void)!read(p[0], &byte, 1);
            break;
        case 1:
            pause();
            break;
        case 2:
            syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
            break;
        case 3:
            poll(NULL, 0, -1);
            break;
        case 4:
            epoll_wait(e, &(struct epoll_event){0}, 1, -1);
            break;
        case 5:
            sleep(1000);
            break;
        case 6: {
            sigset_t set;
            sigfillset(&set);
            int number;
            sigwait(&set, &number);
            break;
        }
        case 7:
            /* Works on and on. */
            syscall(SYS_getppid);
            break;
        default: {
            /* Its child is left to the new program. */
            pid_t pid = fork();
            if (pid == 0) {
                sleep_ms(5);
                _exit(12);
            }
            atomic_fetch_add(&ready, 1);
            pause();
        }
        }
}

int main(int argc, char **argv) {
    if (argc == 2) {
        int status;
        pid_t pid = OK(wait(&status));
        int lock = OK(open("lock", O_RDWR));
        OK(flock(lock, LOCK_EX | LOCK_NB));
        CHECK_EQ(WEXITSTATUS(status), 12);
        FAILS(wait(NULL), ECHILD);
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%d", (int)getpid());
        struct stat s;
        OK(stat("/proc/self/task", &s));
        CHECK_EQ(s.st_nlink, 3);
        OK(access(path, F_OK));
        say("child %d", (int)pid);
        return 0;
    }
    OK(pipe2(p, O_CLOEXEC));
    e = OK(epoll_create1(EPOLL_CLOEXEC));
    int lock = OK(open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    OK(flock(lock, LOCK_EX));
    pthread_t t;
    for (intptr_t i = 0; i < KINDS; i++)
        ZERO(pthread_create(&t, NULL, busy, (void *)i));
    while (atomic_load(&ready) < KINDS + 1)
        sched_yield();
    char *const arguments[] = {argv[0], (char *)"again", NULL};
    execv("/proc/self/exe", arguments);
    return 1;
}
