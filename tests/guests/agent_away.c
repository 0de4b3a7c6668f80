/* What happens to a thread while it waits: its vector registers are left alone by signals, memory that it waits with
 * goes, code comes that reads the time stamp counter, all threads get a filter that does not know the calls of anybody
 * else, signals come that it takes no notice of, the program becomes another one, the thread is killed, or its process is
 * stopped and continued. */
#include "guest.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { ROUNDS = 40 };

static int pair[2], poller;
static _Atomic int waits, over;
static pid_t waiter;

static void make_pair(void) {
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    poller = OK(epoll_create1(0));
    OK(epoll_ctl(poller, EPOLL_CTL_ADD, pair[0], &(struct epoll_event){.events = EPOLLIN}));
}

static void get(void) {
    struct epoll_event event;
    char byte;
    CHECK_EQ(epoll_wait(poller, &event, 1, -1), 1);
    CHECK_EQ(recv(pair[0], &byte, 1, 0), 1);
}

static void put(void) {
    CHECK_EQ(send(pair[1], "p", 1, 0), 1);
}

/* So that the sites are met often enough. */
static void warm_up(void) {
    for (int i = 0; i < ROUNDS; i++)
        put(), get();
}

static void until_it_waits(void) {
    while (!waits)
        sched_yield();
    until_asleep(waiter);
    sleep_ms(2);
}

/* Signals in the midst of a wait that the compiler believes to leave vector registers alone. */
static void on_alarm(int number) {
    (void)number;
}

static void registers(void) {
    static unsigned char before[256] __attribute__((aligned(16))), behind[256] __attribute__((aligned(16)));
    struct itimerval often = {{0, 4000}, {0, 4000}}, never = {{0, 0}, {0, 0}};
    struct epoll_event event;
    int interrupted = 0;
    OK(sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL));
    for (unsigned i = 0; i < 100; i++) {
        /* At first there is something, so that the place is met often enough. */
        int waits_not = i < ROUNDS;
        if (waits_not)
            put();
        if (i == ROUNDS)
            OK(setitimer(ITIMER_REAL, &often, NULL));
        register long timeout __asm__("r10") = i % 2 ? -1 : 20000;
        long result;
        fill(before, sizeof before, i);
        __asm__ volatile(
            "movdqa (%2), %%xmm0\n\t movdqa 16(%2), %%xmm1\n\t movdqa 32(%2), %%xmm2\n\t movdqa 48(%2), %%xmm3\n\t"
            "movdqa 64(%2), %%xmm4\n\t movdqa 80(%2), %%xmm5\n\t movdqa 96(%2), %%xmm6\n\t movdqa 112(%2), %%xmm7\n\t"
            "movdqa 128(%2), %%xmm8\n\t movdqa 144(%2), %%xmm9\n\t movdqa 160(%2), %%xmm10\n\t"
            "movdqa 176(%2), %%xmm11\n\t movdqa 192(%2), %%xmm12\n\t movdqa 208(%2), %%xmm13\n\t"
            "movdqa 224(%2), %%xmm14\n\t movdqa 240(%2), %%xmm15\n\t"
            "mov $232, %%eax\n\t"
            "syscall\n\t"
            "movdqa %%xmm0, (%3)\n\t movdqa %%xmm1, 16(%3)\n\t movdqa %%xmm2, 32(%3)\n\t movdqa %%xmm3, 48(%3)\n\t"
            "movdqa %%xmm4, 64(%3)\n\t movdqa %%xmm5, 80(%3)\n\t movdqa %%xmm6, 96(%3)\n\t movdqa %%xmm7, 112(%3)\n\t"
            "movdqa %%xmm8, 128(%3)\n\t movdqa %%xmm9, 144(%3)\n\t movdqa %%xmm10, 160(%3)\n\t"
            "movdqa %%xmm11, 176(%3)\n\t movdqa %%xmm12, 192(%3)\n\t movdqa %%xmm13, 208(%3)\n\t"
            "movdqa %%xmm14, 224(%3)\n\t movdqa %%xmm15, 240(%3)\n\t"
            : "=&a"(result), "+r"(timeout)
            : "r"(before), "r"(behind), "D"((long)poller), "S"(&event), "d"(1l)
            : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
              "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
        CHECK_EQ(result, waits_not ? 1 : -EINTR);
        if (waits_not)
            get();
        else
            interrupted++;
        CHECK_EQ(hash(before, sizeof before), hash(behind, sizeof behind));
    }
    OK(setitimer(ITIMER_REAL, &never, NULL));
    say("interrupted %d times", interrupted);
}

/* The buffer of a wait is unmapped meanwhile. */
static char *lost;

static void *waits_for_lost(void *argument) {
    (void)argument;
    waiter = (pid_t)syscall(SYS_gettid);
    warm_up();
    for (int i = 0; i < ROUNDS; i++) {
        put();
        CHECK_EQ(recv(pair[0], lost, 8, 0), 1);
    }
    waits = 1;
    FAILS(recv(pair[0], lost, 8, 0), EFAULT);
    waits = 0;
    return NULL;
}

static void memory_goes(void) {
    pthread_t thread;
    lost = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ZERO(pthread_create(&thread, NULL, waits_for_lost, NULL));
    until_it_waits();
    OK(munmap(lost, PAGE));
    put();
    ZERO(pthread_join(thread, NULL));
    get();
}

/* Signals that it takes no notice of, and what it waits for right behind them. */
static void *sends_signals(void *argument) {
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 2 == 0)
            sleep_ms(1);
        OK(syscall(SYS_tgkill, getpid(), getpid(), SIGWINCH));
        put();
    }
    return NULL;
}

static void signals_come(void) {
    for (int round = 0; round < 3; round++) {
        pthread_t thread;
        ZERO(pthread_create(&thread, NULL, sends_signals, NULL));
        for (int i = 0; i < ROUNDS; i++) {
            /* The kernel makes it again. */
            char byte;
            CHECK_EQ(recv(pair[0], &byte, 1, 0), 1);
        }
        ZERO(pthread_join(thread, NULL));
        warm_up();
    }
}

/* New code that reads the counter, made by one thread and executed by the one that has waited. */
static uint64_t (*reads_counter)(void);

static void *waits_for_code(void *argument) {
    (void)argument;
    waiter = (pid_t)syscall(SYS_gettid);
    warm_up();
    waits = 1;
    get();
    uint64_t last = 0, sum = 0;
    for (int i = 0; i < 10; i++) {
        uint64_t now = reads_counter();
        CHECK(now > last);
        last = now;
        sum = sum * 31 + now;
    }
    say("counter %016llx", (unsigned long long)sum);
    waits = 0;
    return NULL;
}

static void code_comes(void) {
    /* rdtsc; shl $32, %rdx; or %rdx, %rax; ret */
    static const unsigned char code[] = {0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0xc3};
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, waits_for_code, NULL));
    until_it_waits();
    void *at = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(at, code, sizeof code);
    reads_counter = (uint64_t (*)(void))(uintptr_t)at;
    put();
    ZERO(pthread_join(thread, NULL));
}

/* A filter for all threads, by which any call but these kills. */
__attribute__((noreturn)) static void *waits_for_filter(void *argument) {
    (void)argument;
    waiter = (pid_t)syscall(SYS_gettid);
    warm_up();
    waits = 1;
    get();
    for (int i = 0; i < ROUNDS; i++)
        put(), get();
    over = 1;
    for (;;)
        syscall(SYS_sched_yield);
}

static void filter_comes(void) {
    static const unsigned allowed[] = {SYS_epoll_wait, SYS_sendto,         SYS_recvfrom,        SYS_write,
                                       SYS_nanosleep,  SYS_clock_nanosleep, SYS_restart_syscall, SYS_sched_yield,
                                       SYS_exit_group};
    enum { COUNT = sizeof allowed / sizeof *allowed };
    struct sock_filter code[COUNT + 3] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    for (int i = 0; i < COUNT; i++)
        code[1 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], COUNT - i, 0);
    code[COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    code[COUNT + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {COUNT + 3, code};
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, waits_for_filter, NULL));
    until_it_waits();
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_EQ(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program), 0);
    put();
    while (!over)
        sleep_ms(1);
    say("filtered");
    _exit(0);
}

/* Another program, while a thread waits. */
static void *waits_for_ever(void *argument) {
    (void)argument;
    waiter = (pid_t)syscall(SYS_gettid);
    warm_up();
    waits = 1;
    /* A wait for events ends when the process is continued. (signal(7)) */
    struct epoll_event event;
    while (epoll_wait(poller, &event, 1, -1) < 0)
        CHECK_EQ(errno, EINTR);
    _exit(1);
}

static void program_changes(void) {
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, waits_for_ever, NULL));
    until_it_waits();
    execl("/bin/echo", "echo", "another program", (char *)NULL);
    _exit(1);
}

static void is_killed(void) {
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, waits_for_ever, NULL));
    until_it_waits();
    say("waits until it is killed");
    OK(kill(getpid(), SIGKILL));
}

/* One process stops and continues another whose threads all wait. */
static void is_stopped(void) {
    int report[2];
    char byte;
    OK(pipe(report));
    pid_t pid = OK(fork());
    if (pid == 0) {
        pthread_t thread;
        ZERO(pthread_create(&thread, NULL, waits_for_ever, NULL));
        until_it_waits();
        write_all(report[1], "r", 1);
        for (;;)
            pause();
    }
    read_exactly(report[0], &byte, 1);
    for (int i = 0; i < 5; i++) {
        int status;
        OK(kill(pid, SIGSTOP));
        CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
        CHECK(WIFSTOPPED(status));
        OK(kill(pid, SIGCONT));
        CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
        sleep_ms(2);
    }
    OK(kill(pid, SIGTERM));
    expect_signal(pid, SIGTERM);
}

static void in_child(void (*act)(void), int signal) {
    pid_t pid = OK(fork());
    if (pid == 0) {
        make_pair();
        waits = 0;
        act();
        _exit(0);
    }
    if (signal != 0)
        expect_signal(pid, signal);
    else
        expect_exit(pid, 0);
}

int main(void) {
    make_pair();
    warm_up();
    registers();
    memory_goes();
    signals_come();
    in_child(code_comes, 0);
    in_child(program_changes, 0);
    in_child(is_killed, SIGKILL);
    in_child(is_stopped, 0);
    in_child(filter_comes, 0);
    say("done");
    return 0;
}
