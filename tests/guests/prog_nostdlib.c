/* No C library at all: raw system calls from _start, with the stack as the kernel made it. */
static long call(long n, long a, long b, long c) {
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}

static void put(const char *text) {
    long n = 0;
    while (text[n])
        n++;
    call(1, 1, (long)text, n);
}

static void put_hex(const char *name, unsigned long value) {
    char text[17];
    for (int i = 0; i < 16; i++)
        text[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    text[16] = 0;
    put(name);
    put(" ");
    put(text);
    put("\n");
}

__attribute__((used)) void start_c(long *stack) {
    long argc = stack[0];
    long **p = (long **)(stack + 1 + argc + 1);
    while (*p)
        p++;
    long *aux = (long *)(p + 1);
    for (; aux[0]; aux += 2)
        if (aux[0] == 25) {
            put_hex("AT_RANDOM", *(unsigned long *)aux[1]);
            break;
        }
    put_hex("stack", (unsigned long)stack);
    long pid = call(39, 0, 0, 0);
    put_hex("pid", (unsigned long)pid);
    long time[2] = {0, 0};
    call(228, 0, (long)time, 0);
    put_hex("seconds", (unsigned long)time[0]);
    unsigned char random[8];
    if (call(318, (long)random, 8, 0) != 8)
        call(231, 1, 0, 0);
    put_hex("random", *(unsigned long *)random);
    long child = call(57, 0, 0, 0);
    if (child == 0)
        call(60, 7, 0, 0);
    int status = 0;
    if (call(61, child, (long)&status, 0) != child || status != 7 << 8)
        call(231, 2, 0, 0);
    long page;
    register long r10 __asm__("r10") = 0x22;
    register long r8 __asm__("r8") = -1;
    register long r9 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "=a"(page)
                     : "a"(9), "D"(0), "S"(4096), "d"(3), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    *(volatile char *)page = 1;
    put_hex("page", (unsigned long)page);
    call(231, 33, 0, 0);
}

__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start_c\n hlt\n");
