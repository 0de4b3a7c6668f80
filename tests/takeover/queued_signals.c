/* Signals that wait for long, with what they carry: for the process, for one thread, in a descriptor. */
#include "../guests/guest.h"
#include <poll.h>
#include <sys/signalfd.h>

static pthread_barrier_t barrier;

static void *other(void *argument) {
    (void)argument;
    pthread_barrier_wait(&barrier);
    usleep(1000);
    pthread_barrier_wait(&barrier);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    siginfo_t info;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN + 3);
        CHECK_EQ(info.si_code, SI_QUEUE);
        CHECK_EQ(info.si_value.sival_int, 70 + i);
    }
    FAILS(sigtimedwait(&set, &info, &(struct timespec){0, 0}), EAGAIN);
    return NULL;
}

int main(void) {
    sigset_t set, real;
    sigfillset(&set);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    ZERO(pthread_barrier_init(&barrier, NULL, 2));
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, other, NULL));
    sigemptyset(&real);
    sigaddset(&real, SIGRTMIN + 1);
    sigaddset(&real, SIGRTMIN + 2);
    for (int i = 0; i < 3; i++) {
        OK(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = 20 + i}));
        OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 10 + i}));
    }
    OK(kill(getpid(), SIGUSR1));
    OK(kill(getpid(), SIGUSR1));
    for (int i = 0; i < 2; i++)
        ZERO(pthread_sigqueue(thread, SIGRTMIN + 3, (union sigval){.sival_int = 70 + i}));
    pthread_barrier_wait(&barrier);
    say("queued");
    usleep(1000);
    pthread_barrier_wait(&barrier);
    ZERO(pthread_join(thread, NULL));
    int fd = OK(signalfd(-1, &set, SFD_NONBLOCK));
    CHECK_EQ(poll(&(struct pollfd){fd, POLLIN, 0}, 1, 0), 1);
    siginfo_t info;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(sigwaitinfo(&real, &info), SIGRTMIN + 1);
        CHECK_EQ(info.si_value.sival_int, 10 + i);
        CHECK_EQ(info.si_pid, getpid());
    }
    struct signalfd_siginfo from[8];
    CHECK_EQ(read(fd, from, sizeof from), 5 * (ssize_t)sizeof from[0]);
    CHECK_EQ(from[0].ssi_signo, SIGUSR1);
    CHECK_EQ(from[1].ssi_int, 12);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(from[2 + i].ssi_int, 20 + i);
    FAILS(read(fd, from, sizeof from), EAGAIN);
    say("all");
    return 0;
}
