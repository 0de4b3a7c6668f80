/* Calls into the page at the top of memory, where the kernel has it: all results, signals between them, odd callers. */
#include "guest.h"
#include <setjmp.h>
#include <sys/time.h>
#include <ucontext.h>
#include <sys/resource.h>

static sigjmp_buf out;
static void on_segv(int number) {
    (void)number;
    siglongjmp(out, 1);
}

static int (*volatile get_time)(struct timeval *, void *) = (int (*)(struct timeval *, void *))0xffffffffff600000ul;
static time_t (*volatile seconds)(time_t *) = (time_t(*)(time_t *))0xffffffffff600400ul;
static long (*volatile cpu)(unsigned *, unsigned *, void *) = (long (*)(unsigned *, unsigned *, void *))0xffffffffff600800ul;

static volatile sig_atomic_t alarms;
static void on_alarm(int number) {
    (void)number;
    struct timeval t;
    CHECK_EQ(get_time(&t, NULL), 0);
    alarms++;
}

static void *volatile where;
static void on_bad_return(int number, siginfo_t *info, void *context) {
    (void)number;
    where = info->si_addr;
    /* Back to where the odd call was made: its address is in rbx. */
    ucontext_t *c = context;
    c->uc_mcontext.gregs[REG_RIP] = c->uc_mcontext.gregs[REG_RBX];
}

static volatile long rounds;
static void *thread(void *unused) {
    (void)unused;
    for (int i = 0; i < 2000; i++) {
        CHECK(seconds(NULL) > 0);
        rounds++;
    }
    return NULL;
}

int main(void) {
    signal(SIGSEGV, on_segv);
    if (sigsetjmp(out, 1)) {
        say("no vsyscall page");
        return 0;
    }
    struct timeval t = {0, 0};
    struct timezone z = {-1, -1};
    CHECK_EQ(get_time(&t, &z), 0);
    CHECK(z.tz_minuteswest != -1);
    CHECK_EQ(get_time(NULL, NULL), 0);
    time_t now = 0;
    CHECK_EQ(seconds(&now), now);
    /* It lags behind by a tick. */
    CHECK(now >= t.tv_sec - 1);
    CHECK_EQ(cpu(NULL, NULL, NULL), 0);
    unsigned node = 99999;
    CHECK_EQ(cpu(NULL, &node, NULL), 0);
    CHECK(node != 99999);
    /* Signals have nothing but such calls to come at. */
    handle(SIGALRM, (void *)on_alarm, 0);
    struct itimerval every = {{0, 3000}, {0, 3000}};
    OK(setitimer(ITIMER_REAL, &every, NULL));
    unsigned long calls = 0;
    while (alarms < 20) {
        get_time(&t, NULL);
        calls++;
    }
    every.it_value.tv_usec = every.it_interval.tv_usec = 0;
    OK(setitimer(ITIMER_REAL, &every, NULL));
    pthread_t a, b;
    ZERO(pthread_create(&a, NULL, thread, NULL));
    ZERO(pthread_create(&b, NULL, thread, NULL));
    ZERO(pthread_join(a, NULL));
    ZERO(pthread_join(b, NULL));
    /* Returns to where nothing is, and from where nothing can be executed. */
    static long data[4];
    void *targets[] = {(void *)0x10, data, (void *)(0x8000ul << 48)};
    handle(SIGSEGV, on_bad_return, 0);
    for (int i = 0; i < 3; i++) {
        long result;
        __asm__ volatile("lea 1f(%%rip), %%rbx\n\t sub $256, %%rsp\n\t push %2\n\t jmp *%3\n1: add $256, %%rsp"
                         : "=a"(result)
                         : "D"(0l), "r"(targets[i]), "r"(0xffffffffff600400ul), "S"(0l)
                         : "rbx", "rcx", "r11", "memory");
        CHECK(result >= now);
        say("returned to %p", where);
    }
    say("%lu calls, %d alarms, %ld rounds, %ld", calls, (int)alarms, rounds, (long)now);
    return 0;
}
