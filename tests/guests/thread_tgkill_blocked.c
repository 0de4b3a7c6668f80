/* Signals to threads blocked in futex, read, accept, epoll, semaphores and joins: EINTR or a restart, each to its own. */
#include "guest.h"
#include <linux/futex.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include "net.h"

enum { KINDS = 6 };
static _Atomic int stop, handled[KINDS];
static pid_t tids[KINDS];
static _Thread_local int kind;
static uint32_t word;
static int p[2], server, e;
static sem_t semaphore;

static void on_signal(int number) {
    (void)number;
    atomic_fetch_add(&handled[kind], 1);
}

static void *blocked(void *argument) {
    kind = (int)(intptr_t)argument;
    tids[kind] = (pid_t)syscall(SYS_gettid);
    long interrupted = 0;
    while (!atomic_load(&stop)) {
        char byte;
        long r = 0;
        switch (kind) {
        case 0:
            r = syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
            break;
        case 1:
            r = read(p[0], &byte, 1);
            break;
        case 2:
            r = accept(server, NULL, NULL);
            break;
        case 3:
            r = epoll_wait(e, &(struct epoll_event){0}, 1, -1);
            break;
        case 4:
            r = sem_wait(&semaphore);
            break;
        default: {
            struct timespec t = {100, 0};
            r = nanosleep(&t, NULL);
        }
        }
        if (r == -1) {
            CHECK_EQ(errno, EINTR);
            interrupted++;
        }
    }
    return (void *)interrupted;
}

static int sleeping(pid_t tid) {
    char path[64], text[300] = {0};
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    int fd = OK(open(path, O_RDONLY));
    read_to_end(fd, text, sizeof text - 1);
    close(fd);
    return strstr(text, ") S ") != NULL;
}

int main(void) {
    uint16_t port;
    server = listening(&port);
    OK(pipe(p));
    e = OK(epoll_create1(0));
    OK(sem_init(&semaphore, 0, 0));
    struct sigaction a = {.sa_handler = on_signal};
    OK(sigaction(SIGUSR1, &a, NULL));
    pthread_t threads[KINDS];
    for (intptr_t i = 0; i < KINDS; i++)
        ZERO(pthread_create(&threads[i], NULL, blocked, (void *)i));
    for (int i = 0; i < KINDS; i++)
        while (!*(volatile pid_t *)&tids[i])
            sched_yield();
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < KINDS; i++) {
            while (!sleeping(tids[i]))
                sleep_ms(1);
            OK(syscall(SYS_tgkill, getpid(), tids[i], SIGUSR1));
            while (atomic_load(&handled[i]) != round + 1)
                sleep_ms(1);
        }
    for (int i = 0; i < KINDS; i++)
        while (!sleeping(tids[i]))
            sleep_ms(1);
    atomic_store(&stop, 1);
    for (int i = 0; i < KINDS; i++) {
        OK(syscall(SYS_tgkill, getpid(), tids[i], SIGUSR1));
        void *interrupted;
        ZERO(pthread_join(threads[i], &interrupted));
        CHECK_EQ((intptr_t)interrupted, 6);
        say("kind %d, thread %d", i, (int)tids[i]);
    }
    return 0;
}
