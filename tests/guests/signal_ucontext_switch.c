/* getcontext, makecontext, swapcontext: coroutines on their own stacks, with system calls in each. */
#include "guest.h"
#include <ucontext.h>

static ucontext_t main_context, contexts[3];
static char stacks[3][65536];
static uint64_t trace;

static void coroutine(int me) {
    for (volatile int i = 0; i < 5; i++) {
        trace = trace * 31 + (uint64_t)me;
        CHECK(getppid() > 0);
        OK(swapcontext(&contexts[me], &contexts[(me + 1) % 3]));
    }
}

int main(void) {
    for (int i = 0; i < 3; i++) {
        OK(getcontext(&contexts[i]));
        contexts[i].uc_stack.ss_sp = stacks[i];
        contexts[i].uc_stack.ss_size = sizeof stacks[i];
        contexts[i].uc_link = &main_context;
        makecontext(&contexts[i], (void (*)(void))coroutine, 1, i);
    }
    OK(swapcontext(&main_context, &contexts[0]));
    uint64_t want = 0;
    for (int i = 0; i < 15; i++)
        want = want * 31 + (uint64_t)(i % 3);
    CHECK_EQ(trace, want);
    volatile int again = 0;
    OK(getcontext(&main_context));
    if (again++ < 3)
        setcontext(&main_context);
    CHECK_EQ(again, 4);
    say("trace %016lx, stacks at %p", (unsigned long)trace, (void *)stacks);
    return 0;
}
