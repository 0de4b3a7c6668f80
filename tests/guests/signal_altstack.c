/* The alternate stack: used, disarmed on the way, and a stack overflow caught on it. */
#include "guest.h"
#include <setjmp.h>
#include <sys/resource.h>

static char *stack;
static sigjmp_buf out;
static volatile sig_atomic_t on_stack, kind;
static void *volatile fault_address;
static volatile char *low_water;

static void on_signal(int s, siginfo_t *info, void *context) {
    (void)context;
    char here;
    kind = s;
    on_stack = (uintptr_t)&here >= (uintptr_t)stack && (uintptr_t)&here < (uintptr_t)stack + 65536;
    stack_t now;
    OK(sigaltstack(NULL, &now));
    CHECK(!on_stack || (now.ss_flags & SS_ONSTACK));
    if (s == SIGSEGV) {
        fault_address = info->si_addr;
        siglongjmp(out, 1);
    }
}

static volatile long deepest = LONG_MAX;

__attribute__((noinline)) static long recurse(long n) {
    volatile char room[2000];
    if (n == deepest)
        return 0;
    room[0] = (char)n;
    low_water = room;
    return recurse(n + 1) + room[0];
}

int main(void) {
    struct rlimit small = {1 << 20, RLIM_INFINITY}, was;
    OK(getrlimit(RLIMIT_STACK, &was));
    small.rlim_max = was.rlim_max;
    OK(setrlimit(RLIMIT_STACK, &small));
    stack = malloc(65536);
    stack_t s = {.ss_sp = stack, .ss_size = 65536, .ss_flags = 0}, old;
    OK(sigaltstack(&s, &old));
    CHECK(old.ss_flags & SS_DISABLE);
    handle(SIGUSR1, on_signal, SA_ONSTACK);
    handle(SIGUSR2, on_signal, 0);
    handle(SIGSEGV, on_signal, SA_ONSTACK);
    OK(raise(SIGUSR1));
    CHECK(kind == SIGUSR1 && on_stack);
    OK(raise(SIGUSR2));
    CHECK(kind == SIGUSR2 && !on_stack);
    for (int i = 0; i < 2; i++) {
        if (sigsetjmp(out, 1) == 0) {
            recurse(0);
            CHECK(0);
        }
        CHECK(kind == SIGSEGV && on_stack);
        CHECK((uintptr_t)fault_address < (uintptr_t)low_water + 4096);
        say("overflow at %p", fault_address);
    }
    s.ss_flags = SS_DISABLE;
    OK(sigaltstack(&s, NULL));
    OK(raise(SIGUSR1));
    CHECK(!on_stack);
    s.ss_flags = 0;
    s.ss_size = 100;
    FAILS(sigaltstack(&s, NULL), ENOMEM);
    return 0;
}
