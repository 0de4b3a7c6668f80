/* Signal-driven input: O_ASYNC on sockets and pipes, owners that are processes and threads, real-time signals with the descriptor. */
#include "guest.h"
#include <sys/ioctl.h>
#include <sys/socket.h>

static siginfo_t infos[64];
static volatile int count;
static volatile pid_t by[64];
static void on_io(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    if (count < 64) {
        infos[count] = *info;
        by[count] = (pid_t)syscall(SYS_gettid);
        count++;
    }
}

static _Atomic int tid, stop;
static void *thread(void *unused) {
    (void)unused;
    atomic_store(&tid, (int)syscall(SYS_gettid));
    while (!atomic_load(&stop))
        sleep_ms(1);
    return NULL;
}

int main(void) {
    int number = SIGRTMIN + 2, pair[2];
    handle(number, on_io, SA_RESTART);
    handle(SIGIO, on_io, SA_RESTART);
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    OK(fcntl(pair[0], F_SETOWN, getpid()));
    OK(fcntl(pair[0], F_SETSIG, number));
    OK(fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK));
    char byte;
    for (int i = 0; i < 5; i++) {
        int before = count;
        write_all(pair[1], "x", 1);
        while (count == before)
            sched_yield();
        CHECK_EQ(read(pair[0], &byte, 1), 1);
    }
    for (int i = 0; i < count; i++)
        CHECK(infos[i].si_signo == number && infos[i].si_fd == pair[0] && (infos[i].si_band & 1));
    say("%d signals, band %#lx", count, (unsigned long)infos[0].si_band);
    /* To one thread. */
    pthread_t t;
    ZERO(pthread_create(&t, NULL, thread, NULL));
    while (!atomic_load(&tid))
        sched_yield();
    struct f_owner_ex owner = {F_OWNER_TID, atomic_load(&tid)};
    OK(fcntl(pair[0], F_SETOWN_EX, &owner));
    int before = count;
    write_all(pair[1], "y", 1);
    while (count == before)
        sleep_ms(1);
    CHECK_EQ(by[before], atomic_load(&tid));
    CHECK_EQ(read(pair[0], &byte, 1), 1);
    atomic_store(&stop, 1);
    ZERO(pthread_join(t, NULL));
    /* Plain SIGIO, by ioctl. */
    int one = 1, me = getpid(), q[2];
    OK(pipe(q));
    OK(fcntl(q[0], F_SETOWN, me));
    OK(ioctl(q[0], FIOASYNC, &one));
    before = count;
    pid_t pid = OK(fork());
    if (pid == 0) {
        write_all(q[1], "z", 1);
        _exit(0);
    }
    while (count == before)
        sched_yield();
    expect_exit(pid, 0);
    CHECK_EQ(infos[before].si_signo, SIGIO);
    say("SIGIO with code %d", infos[before].si_code);
    return 0;
}
