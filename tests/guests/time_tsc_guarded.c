/* Among the program's code is a page that no function covers, with data that looks like reads of the time stamp counter,
 * and with one that is. It is read and executed, with the fault's signal handled, blocked, ignored and pending, in
 * threads and children, moved, protected and taken away. */
#include "guest.h"
#include <setjmp.h>
#include <stdbool.h>

/* A described function in front: one of its instructions ends in the page. */
__asm__(".text\n.balign 4096\n.fill 4096 - 3, 1, 0x90\n"
        ".type across, @function\nacross: .cfi_startproc\n mov $0x12345678, %eax\n ret\n .cfi_endproc\n.size across, .-across\n"
        ".fill 61, 1, 0x0f\n"
        "looks: .byte 0x0f, 0x31, 0x0f, 0x01, 0xf9, 0x0f, 0x31, 0x31\n"
        "reads: rdtsc\n shl $32, %rdx\n or %rdx, %rax\n ret\n"
        ".balign 4096, 0x0f\n");

extern uint64_t reads(void);
extern unsigned across(void);
extern const uint64_t looks;
typedef uint64_t (*function)(void);

static volatile sig_atomic_t faults;
static void *volatile fault_at;
static sigjmp_buf back;

static void handler(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)context;
    faults++;
    fault_at = info->si_addr;
    siglongjmp(back, 1);
}

static uint64_t clocks(void) {
    uint64_t sum = 0;
    for (int i = 0; i < 20; i++) {
        struct timespec t;
        OK(clock_gettime(CLOCK_MONOTONIC, &t));
        sum = sum * 31 + (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }
    return sum;
}

static char *page(void) {
    return (char *)((uintptr_t)&looks & ~(uintptr_t)(PAGE - 1));
}

static void use(const char *where, function at) {
    uint64_t before = clocks(), first = at(), between = clocks(), second = at();
    CHECK(second > first);
    say("%s: %016lx %lu %016lx %lu", where, (unsigned long)before, (unsigned long)first, (unsigned long)between,
        (unsigned long)second);
}

/* Whether a call or a store faults, at that address. */
static bool faults_at(void *at, bool store) {
    handle(SIGSEGV, handler, 0);
    int before = faults;
    if (sigsetjmp(back, 1) == 0) {
        if (store)
            *(volatile char *)at = 1;
        else
            ((function)at)();
    }
    CHECK(faults == before || fault_at == at);
    return faults != before;
}

static void plainly(void) {
    CHECK_EQ(looks, 0x31310ff9010f310f);
    use("plainly", reads);
}

static void handled(void) {
    handle(SIGSEGV, handler, 0);
    use("handled", reads);
    CHECK_EQ(faults, 0);
    CHECK(faults_at((void *)&looks, true));
    CHECK(faults_at(NULL, false));
    use("handled again", reads);
}

static void stored_first(void) {
    CHECK(faults_at((void *)&looks, true));
    use("stored first", reads);
}

static void across_the_edge(void) {
    CHECK_EQ(across(), 0x12345678);
    use("across the edge", reads);
}

static void blocked_and(int pending) {
    sigset_t set, now;
    handle(SIGSEGV, handler, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    if (pending)
        OK(raise(SIGSEGV));
    use(pending ? "pending" : "blocked", reads);
    OK(sigprocmask(SIG_BLOCK, NULL, &now));
    CHECK(sigismember(&now, SIGSEGV));
    struct sigaction action;
    OK(sigaction(SIGSEGV, NULL, &action));
    CHECK(action.sa_sigaction == handler);
    OK(sigpending(&now));
    CHECK_EQ(sigismember(&now, SIGSEGV), pending);
    if (pending && sigsetjmp(back, 0) == 0) {
        OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
        CHECK(false);
    }
    CHECK_EQ(faults, pending);
}

static void blocked(void) {
    blocked_and(0);
}

static void pending(void) {
    blocked_and(1);
}

static void ignored(void) {
    signal(SIGSEGV, SIG_IGN);
    use("ignored", reads);
    CHECK(signal(SIGSEGV, SIG_DFL) == SIG_IGN);
}

static void moved(void) {
    char *to = OK(mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(mremap(page(), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    use("moved", (function)(to + ((char *)reads - page())));
    CHECK(faults_at((void *)reads, false));
}

static void moved_with_more(void) {
    char *from = page() - PAGE, *to = OK(mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(mremap(from, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    use("moved with more", (function)(to + ((char *)reads - from)));
}

static void forbidden(void) {
    OK(mprotect(page(), PAGE, PROT_READ));
    CHECK(faults_at((void *)reads, false));
    clocks();
    CHECK(faults_at((void *)reads, false));
    OK(mprotect(page(), PAGE, PROT_READ | PROT_EXEC));
    use("forbidden for a while", reads);
}

static void allowed(void) {
    OK(mprotect(page() - PAGE, 2 * PAGE, PROT_READ | PROT_EXEC));
    use("allowed", reads);
}

static void taken_away(void) {
    OK(munmap(page(), PAGE));
    CHECK(faults_at((void *)reads, false));
    OK(mmap(page(), PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    CHECK(faults_at((void *)reads, false));
    clocks();
}

static void *in_a_thread(void *name) {
    use(name, reads);
    return NULL;
}

static void threads(void) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        OK(pthread_create(&threads[i], NULL, in_a_thread, "in a thread"));
    for (int i = 0; i < 3; i++)
        OK(pthread_join(threads[i], NULL));
    in_a_thread("behind them");
}

static void in_a_child(void) {
    pid_t pid = OK(fork());
    if (pid == 0) {
        use("in a child", reads);
        _exit(0);
    }
    int status;
    OK(waitpid(pid, &status, 0));
    CHECK_EQ(status, 0);
    use("behind it", reads);
}

static void in_the_family(void) {
    pid_t pid = OK(vfork());
    if (pid == 0) {
        reads();
        _exit(0);
    }
    int status;
    OK(waitpid(pid, &status, 0));
    CHECK_EQ(status, 0);
    use("behind vfork", reads);
}

int main(void) {
    void (*const all[])(void) = {plainly, handled, stored_first, across_the_edge, blocked,    pending,  ignored,    moved,
                                 moved_with_more, forbidden, allowed, taken_away, threads, in_a_child, in_the_family};
    clocks();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        pid_t pid = OK(fork());
        if (pid == 0) {
            all[i]();
            _exit(0);
        }
        int status;
        OK(waitpid(pid, &status, 0));
        CHECK_EQ(status, 0);
    }
    clocks();
    plainly();
    return 0;
}
