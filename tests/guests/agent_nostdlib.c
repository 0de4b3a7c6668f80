/* No library at all, and sites of every kind that a compiler does not make: with numbers in memory, in registers
 * from elsewhere, twice in a row, at the end of a function, with a jump right behind. */
#include <sys/syscall.h>

static char bytes[64];
static const char text[] = "0123456789abcdef";
__attribute__((used)) static long number = SYS_getpid;

static void die(int code) {
    for (;;)
        __asm__ volatile("syscall" : : "a"(SYS_exit_group), "D"(code) : "rcx", "r11", "memory");
}

static long call(long nr, long a, long b, long c) {
    long result = nr;
    __asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

long twice(void);
long bare(long a, long b, long c, long nr);
long loop(void);
long indirect(void);
long cold(void);
__asm__(".text\n"
        /* Two right behind each other: the second one's number is the first one's result. */
        ".type twice, @function\n"
        "twice: mov $102, %eax\n syscall\n mov $39, %eax\n syscall\n mov $39, %eax\n syscall\n ret\n"
        ".size twice, .-twice\n"
        ".type bare, @function\n"
        "bare: mov %rcx, %rax\n syscall\n ret\n"
        ".size bare, .-bare\n"
        /* A jump back to the number, and one to the call itself. */
        ".type loop, @function\n"
        "loop: mov $10, %r8d\n xor %r9d, %r9d\n"
        "1: mov $39, %eax\n"
        "2: syscall\n add %rax, %r9\n dec %r8d\n jz 3f\n test $1, %r8d\n jz 1b\n mov $110, %eax\n jmp 2b\n"
        "3: mov %r9, %rax\n ret\n"
        ".size loop, .-loop\n"
        ".type indirect, @function\n"
        "indirect: mov number(%rip), %rax\n syscall\n mov %rax, %rdx\n lea 4f(%rip), %rcx\n mov $39, %eax\n jmp *%rcx\n"
        ".byte 0x48, 0xb8\n"
        "4: syscall\n sub %rdx, %rax\n ret\n"
        ".size indirect, .-indirect\n"
        /* Its last bytes: nothing to go on with. */
        ".type cold, @function\n"
        "cold: mov $39, %eax\n syscall\n jmp 5f\n"
        ".size cold, .-cold\n"
        "5: ret\n");

static void hex(long value) {
    char line[17];
    for (int i = 0; i < 16; i++)
        line[i] = text[(value >> (60 - 4 * i)) & 15];
    line[16] = '\n';
    if (call(SYS_write, 1, (long)line, 17) != 17)
        die(2);
}

void _start(void) {
    long pid = call(SYS_getpid, 0, 0, 0), parent = call(SYS_getppid, 0, 0, 0);
    int zero = (int)call(SYS_open, (long)"/dev/zero", 2, 0), null = (int)call(SYS_open, (long)"/dev/null", 2, 0);
    for (int i = 0; i < 8; i++) {
        if (twice() != pid)
            die(3);
        if (bare(zero, (long)bytes, 64, SYS_read) != 64 || bytes[63] != 0)
            die(4);
        if (bare(null, (long)text, 16, SYS_write) != 16)
            die(5);
        if (bare(0, 0, 0, SYS_getpid) != pid || bare(0, 0, 0, SYS_getppid) != parent)
            die(6);
        if (loop() != 5 * pid + 5 * parent)
            die(7);
        if (indirect() != 0)
            die(8);
        if (cold() != pid)
            die(9);
        if (call(SYS_getrandom, (long)bytes, 8, 0) != 8)
            die(10);
        bytes[63] = 0;
    }
    hex(*(long *)(void *)bytes);
    hex(pid);
    die(33);
}
