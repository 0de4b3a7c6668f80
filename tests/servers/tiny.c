/* The smallest recording with an input and an output: sixteen random bytes, printed. No libc. */
static long call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

void _start(void)
{
    const char *digits = "0123456789abcdef";
    unsigned char random[16];
    char text[33];
    call(318, (long)random, sizeof random, 0); /* getrandom */
    for (int i = 0; i < 16; i++) {
        text[2 * i] = digits[random[i] >> 4];
        text[2 * i + 1] = digits[random[i] & 15];
    }
    text[32] = '\n';
    call(1, 1, (long)text, sizeof text); /* write */
    call(231, 0, 0, 0);                  /* exit_group */
}
