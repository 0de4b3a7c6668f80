/* The library's clocks called from everywhere: small stacks, vfork, fork, raw clones, handlers, constructors, exits. */
#include "guest.h"
#include <linux/futex.h>
#include <sys/time.h>
#include <ucontext.h>

static uint64_t stamps[16];
static int count;
static void stamp(void) {
    struct timespec t;
    OK(clock_gettime(CLOCK_MONOTONIC, &t));
    uint64_t now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    CHECK(count == 0 || now >= stamps[count - 1]);
    stamps[count++] = now;
}

__attribute__((constructor)) static void early(void) { stamp(); }

static void late(void) {
    stamp();
    uint64_t all = 0;
    for (int i = 0; i < count; i++)
        all = all * 31 + stamps[i];
    say("%d stamps, %016lx", count, (unsigned long)all);
}

static ucontext_t main_context, small_context;
static void on_small_stack(void) {
    stamp();
    time(NULL);
}

static void on_signal(int number) {
    (void)number;
    stamp();
}

static int raw_child(void *unused) {
    (void)unused;
    stamp();
    return 0;
}

int main(void) {
    atexit(late);
    stamp();
    /* As small a stack as one page. */
    char *page = OK(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OK(mprotect(page, PAGE, PROT_NONE));
    OK(mprotect(page + 2 * PAGE, PAGE, PROT_NONE));
    OK(getcontext(&small_context));
    small_context.uc_stack.ss_sp = page + PAGE;
    small_context.uc_stack.ss_size = PAGE;
    small_context.uc_link = &main_context;
    makecontext(&small_context, on_small_stack, 0);
    OK(swapcontext(&main_context, &small_context));
    static char alternate[16384];
    stack_t s = {.ss_sp = alternate, .ss_size = sizeof alternate};
    OK(sigaltstack(&s, NULL));
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    OK(sigaction(SIGUSR1, &a, NULL));
    OK(raise(SIGUSR1));
    pid_t pid = OK(vfork());
    if (pid == 0) {
        stamp();
        _exit(0);
    }
    expect_exit(pid, 0);
    static char stack[16384] __attribute__((aligned(16)));
    pid = OK(clone(raw_child, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL));
    expect_exit(pid, 0);
    int before = count;
    pid = OK(fork());
    if (pid == 0) {
        stamp();
        CHECK_EQ(count, before + 1);
        _exit(3);
    }
    expect_exit(pid, 3);
    stamp();
    /* Pointers across pages, and an unaligned one. */
    char *two = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    OK(clock_gettime(CLOCK_REALTIME, (struct timespec *)(void *)(two + PAGE - 8)));
    OK(clock_gettime(CLOCK_REALTIME, (struct timespec *)(void *)(two + 101)));
    OK(gettimeofday((struct timeval *)(void *)(two + 203), (struct timezone *)(void *)(two + 301)));
    OK(clock_getres(CLOCK_MONOTONIC, (struct timespec *)(void *)(two + 403)));
    OK(clock_getres(CLOCK_MONOTONIC, NULL));
    unsigned cpu, node;
    OK(getcpu(&cpu, &node));
    say("shared %016lx", (unsigned long)hash(two, 2 * PAGE));
    return 0;
}
