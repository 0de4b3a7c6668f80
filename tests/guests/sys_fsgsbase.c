/* The GS base written by instruction, where the processor allows it: kept over calls, sleeps, signals and in a child. */
#include "guest.h"
#include <asm/prctl.h>
#include <sys/auxv.h>

static unsigned long areas[2][16];
static unsigned long read_gs(void) {
    unsigned long v;
    __asm__ volatile("rdgsbase %0" : "=r"(v));
    return v;
}
static unsigned long through_gs(void) {
    unsigned long v;
    __asm__ volatile("mov %%gs:8, %0" : "=r"(v));
    return v;
}
static volatile unsigned long seen;
static void on_signal(int number) {
    (void)number;
    seen = through_gs();
    __asm__ volatile("wrgsbase %0" : : "r"(areas[1]));
}

int main(void) {
    if (!(getauxval(AT_HWCAP2) & 2)) {
        say("no such instructions");
        return 0;
    }
    areas[0][1] = 4711, areas[1][1] = 815;
    CHECK_EQ(read_gs(), 0);
    __asm__ volatile("wrgsbase %0" : : "r"(areas[0]));
    CHECK_EQ(through_gs(), 4711);
    for (int i = 0; i < 3; i++) {
        syscall(SYS_getppid);
        CHECK_EQ(through_gs(), 4711);
        sleep_ms(1);
        CHECK_EQ(read_gs(), (unsigned long)areas[0]);
    }
    unsigned long told = 0;
    OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &told));
    CHECK_EQ(told, (unsigned long)areas[0]);
    signal(SIGUSR1, on_signal);
    OK(raise(SIGUSR1));
    CHECK_EQ(seen, 4711);
    /* A handler's change stays: the base is not part of what sigreturn restores. */
    say("after the handler %lu", through_gs());
    __asm__ volatile("wrgsbase %0" : : "r"(areas[0]));
    pid_t pid = OK(fork());
    if (pid == 0) {
        CHECK_EQ(through_gs(), 4711);
        __asm__ volatile("wrgsbase %0" : : "r"(areas[1]));
        sleep_ms(1);
        CHECK_EQ(through_gs(), 815);
        _exit(3);
    }
    expect_exit(pid, 3);
    CHECK_EQ(through_gs(), 4711);
    unsigned long fs, called = 0;
    __asm__ volatile("rdfsbase %0" : "=r"(fs));
    OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &called));
    CHECK_EQ(fs, called);
    say("bases %#lx %#lx", fs, read_gs());
    return 0;
}
