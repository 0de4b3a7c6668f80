/* A 32-bit system call made by 64-bit code cannot be recorded. */
#include "guest.h"

int main(void) {
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(20L /* getpid */) : "memory");
    say("pid %ld", r);
    return 0;
}
