/* PR_SET_TSC: the program forbids itself the time stamp counter, gets SIGSEGV, and allows it again; so do children. */
#include "guest.h"
#include <sys/prctl.h>
#include <sys/resource.h>
#include <ucontext.h>

static volatile int faults;
static void on_segv(int number, siginfo_t *info, void *context) {
    (void)number;
    CHECK_EQ(info->si_code, SI_KERNEL);
    faults++;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static uint64_t rdtsc(void) {
    uint32_t low = 0, high = 0;
    __asm__ volatile("rdtsc" : "+a"(low), "+d"(high));
    return (uint64_t)high << 32 | low;
}

static void *thread(void *unused) {
    (void)unused;
    int mode = 0;
    OK(prctl(PR_GET_TSC, &mode));
    CHECK_EQ(mode, PR_TSC_SIGSEGV);
    int before = faults;
    rdtsc();
    CHECK_EQ(faults, before + 1);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc == 2) {
        int mode = 0;
        OK(prctl(PR_GET_TSC, &mode));
        say("after exec: mode %d", mode);
        if (mode == PR_TSC_ENABLE)
            CHECK(rdtsc() > 0);
        return mode;
    }
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    handle(SIGSEGV, on_segv, 0);
    CHECK(rdtsc() > 0);
    CHECK_EQ(faults, 0);
    OK(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
    int mode = 0;
    OK(prctl(PR_GET_TSC, &mode));
    CHECK_EQ(mode, PR_TSC_SIGSEGV);
    rdtsc();
    CHECK_EQ(faults, 1);
    pthread_t t;
    ZERO(pthread_create(&t, NULL, thread, NULL));
    ZERO(pthread_join(t, NULL));
    pid_t pid = OK(fork());
    if (pid == 0) {
        rdtsc();
        CHECK_EQ(faults, 3);
        OK(prctl(PR_SET_TSC, PR_TSC_ENABLE));
        CHECK(rdtsc() > 0);
        _exit(4);
    }
    expect_exit(pid, 4);
    pid = OK(fork());
    if (pid == 0) {
        char *const arguments[] = {argv[0], (char *)"again", NULL};
        execv("/proc/self/exe", arguments);
        _exit(99);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    /* The prohibition survives exec, and ld.so may look at the counter. */
    CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WIFEXITED(status) && WEXITSTATUS(status) <= 2);
    OK(prctl(PR_SET_TSC, PR_TSC_ENABLE));
    uint64_t last = rdtsc();
    CHECK(last > 0 && faults == 2);
    say("counter %lu", (unsigned long)last);
    return 0;
}
