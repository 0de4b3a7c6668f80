/* Threads that fault on purpose, each with its own way out (the next instruction, siglongjmp, access), one that computes only, and
 * a timer's signals to any of them: in which order, and where. */
#include "guest.h"
#include <setjmp.h>
#include <sys/time.h>
#include <ucontext.h>

#define SIGNALS 25
#define EVENTS 100000

enum { GOES_ON, JUMPS, REPAIRS, COMPUTES, THREADS };

static unsigned char *pages;
static sigjmp_buf out;
static atomic_int ticks;
static atomic_uint events;
static uint64_t event[EVENTS];
static struct { volatile uint64_t x, steps; unsigned long faults; char apart[64]; } of[THREADS];
static __thread unsigned me;
extern const char sigsegv_look[], sigsegv_looked[];

static void happens(uint64_t kind, uint64_t where, const greg_t *r) {
    unsigned slot = atomic_fetch_add(&events, 1);
    uint64_t what[] = {kind, me, of[me].x, of[me].steps, where, (uint64_t)r[REG_RIP] - (uint64_t)(uintptr_t)happens};
    if (slot < EVENTS)
        event[slot] = hash(what, sizeof what);
}

static void on_fault(int signal, siginfo_t *info, void *context) {
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    size_t where = (size_t)info->si_addr - (size_t)pages;
    happens((uint64_t)signal, where, r);
    CHECK_EQ(where / PAGE, me);
    of[me].faults++;
    switch (me) {
    case GOES_ON:
        CHECK((uintptr_t)r[REG_RIP] == (uintptr_t)sigsegv_look);
        r[REG_RIP] = (greg_t)(uintptr_t)sigsegv_looked;
        r[REG_RAX] = 0x55;
        break;
    case JUMPS:
        siglongjmp(out, 1);
    case REPAIRS:
        OK(mprotect(pages + me * PAGE, PAGE, PROT_READ | PROT_WRITE));
        break;
    default:
        CHECK(0);
    }
}

static void tick(int signal, siginfo_t *info, void *context) {
    (void)info;
    happens((uint64_t)signal, 0, ((ucontext_t *)context)->uc_mcontext.gregs);
    atomic_fetch_add(&ticks, 1);
}

__attribute__((noinline, noclone)) static void faults(volatile unsigned char *at) {
    unsigned long got = 0;
    switch (me) {
    case GOES_ON:
        __asm__ volatile("sigsegv_look: movzbl (%1), %k0; sigsegv_looked:" : "+a"(got) : "r"(at));
        CHECK_EQ(got, 0x55);
        break;
    case JUMPS:
        if (sigsetjmp(out, 0) == 0) {
            *at = 1;
            CHECK(0);
        }
        break;
    case REPAIRS:
        *at = 0x77;
        CHECK(*at == 0x77);
        OK(mprotect(pages + me * PAGE, PAGE, PROT_NONE));
        break;
    }
}

static void *computes(void *argument) {
    me = (unsigned)(intptr_t)argument;
    of[me].x = me;
    while (atomic_load(&ticks) < SIGNALS) {
        for (unsigned i = 0; i < 20000; i++) {
            of[me].x = of[me].x * 6364136223846793005ull + 1442695040888963407ull;
            if (of[me].x >> 63)
                of[me].steps++;
        }
        if (me != COMPUTES)
            faults(pages + me * PAGE + (of[me].x >> 52));
    }
    return NULL;
}

int main(void) {
    limits_time();
    pages = OK(mmap(NULL, THREADS * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    handle(SIGSEGV, on_fault, SA_NODEFER);
    handle(SIGALRM, tick, SA_RESTART);
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_create(&t[i], NULL, computes, (void *)(intptr_t)i));
    /* A signal to the process would always go to the first thread, if it takes it. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    ZERO(pthread_sigmask(SIG_BLOCK, &set, NULL));
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &often, NULL));
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_join(t[i], NULL));
    OK(setitimer(ITIMER_REAL, &never, NULL));
    for (int i = 0; i < THREADS; i++)
        say("%d: %lu faults, %lu steps, %016lx", i, of[i].faults, (unsigned long)of[i].steps, (unsigned long)of[i].x);
    CHECK_EQ(of[0].faults + of[1].faults + of[2].faults + (unsigned long)atomic_load(&ticks), atomic_load(&events));
    unsigned count = atomic_load(&events);
    uint64_t h = hash(event, (count < EVENTS ? count : EVENTS) * sizeof *event);
    say("%d signals, %u events, %016lx", atomic_load(&ticks), count, (unsigned long)h);
    return 0;
}
