/* arch_prctl: the FS and GS bases set and read, also where the kernel refuses; GS survives a switch. */
#include "guest.h"
#include <asm/prctl.h>

static long words[16];

int main(void) {
    unsigned long fs = 0, gs = 99, self;
    OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
    __asm__("mov %%fs:0, %0" : "=r"(self));
    CHECK(fs == self);
    OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
    CHECK_EQ(gs, 0);
    words[2] = 4242;
    OK(syscall(SYS_arch_prctl, ARCH_SET_GS, words));
    long through;
    __asm__ volatile("mov %%gs:16, %0" : "=r"(through));
    CHECK_EQ(through, 4242);
    sleep_ms(1);
    __asm__ volatile("mov %%gs:16, %0" : "=r"(through));
    CHECK_EQ(through, 4242);
    OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
    CHECK(gs == (unsigned long)words);
    OK(syscall(SYS_arch_prctl, ARCH_SET_FS, fs));
    FAILS(syscall(SYS_arch_prctl, ARCH_SET_GS, 1ul << 63), EPERM);
    FAILS(syscall(SYS_arch_prctl, 0x9999, 0), EINVAL);
    say("fs base %lx gs base %lx", fs, gs);
    return 0;
}
