/* Waits with a time-out that counts from the start of the call, all of them one second long and under
 * way at once: none may begin anew because the node changes, nor end early. */
#include "../guests/guest.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>

enum { MS = 1000, KINDS = 10 };

/* How late the last one was; the test knows how late others were on this machine. */
static _Atomic long *late_ms;

/* The kernel may not write to it. */
static const struct timespec second = {1, 0};

static void wait_in(int kind) {
    struct timespec rest = second;
    struct timeval also = {0, MS * 1000};
    struct epoll_event event;
    sigset_t set;
    int set_of_semaphores, word = 0;
    switch (kind) {
    case 0:
        OK(nanosleep(&second, NULL));
        break;
    case 1:
        ZERO(clock_nanosleep(CLOCK_MONOTONIC, 0, &second, NULL));
        break;
    case 2:
        CHECK_EQ(poll(NULL, 0, MS), 0);
        break;
    case 3:
        CHECK_EQ(ppoll(NULL, 0, &second, NULL), 0);
        break;
    case 4:
        CHECK_EQ(select(0, NULL, NULL, NULL, &also), 0);
        CHECK(also.tv_sec == 0 && also.tv_usec == 0);
        break;
    case 5:
        CHECK_EQ(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &rest, NULL), 0);
        CHECK(rest.tv_sec == 0 && rest.tv_nsec == 0);
        break;
    case 6:
        CHECK_EQ(epoll_wait(OK(epoll_create1(0)), &event, 1, MS), 0);
        break;
    case 7:
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        FAILS(sigtimedwait(&set, NULL, &second), EAGAIN);
        break;
    case 8:
        set_of_semaphores = OK(semget(IPC_PRIVATE, 1, IPC_CREAT | 0600));
        FAILS(semtimedop(set_of_semaphores, &(struct sembuf){0, -1, 0}, 1, &second), EAGAIN);
        OK(semctl(set_of_semaphores, 0, IPC_RMID));
        break;
    default:
        /* May end for no reason, and then begins for what is left. */
        for (uint64_t end = now_ns() + MS * 1000000ull, now; (now = now_ns()) < end;) {
            struct timespec left = {0, (long)(end - now) % 1000000000};
            left.tv_sec = (long)((end - now) / 1000000000);
            (void)syscall(SYS_futex, &word, FUTEX_WAIT, 0, &left, NULL, 0);
        }
    }
}

static void one(int kind) {
    uint64_t begun = now_ns();
    wait_in(kind);
    long took = (long)((now_ns() - begun) / 1000000);
    if (took < MS - 1) {
        dprintf(STDERR_FILENO, "kind %d took %ld ms\n", kind, took);
        _exit(1);
    }
    for (long late = took - MS, latest = atomic_load(late_ms); late > latest;)
        if (atomic_compare_exchange_weak(late_ms, &latest, late))
            break;
}

static void *thread(void *argument) {
    one((int)(intptr_t)argument);
    return NULL;
}

int main(int argc, char **argv) {
    (void)argv;
    late_ms = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    if (argc > 1) {
        one(2);
        say("%ld ms late", atomic_load(late_ms));
        return 0;
    }
    pid_t child = OK(fork());
    if (child == 0) {
        one(0);
        _exit(0);
    }
    pthread_t threads[KINDS];
    for (intptr_t kind = 0; kind < KINDS; kind++)
        ZERO(pthread_create(&threads[kind], NULL, thread, (void *)kind));
    for (int kind = 0; kind < KINDS; kind++)
        ZERO(pthread_join(threads[kind], NULL));
    expect_exit(child, 0);
    say("%ld ms late", atomic_load(late_ms));
    return 0;
}
