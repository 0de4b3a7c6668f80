/* /proc/self/mem: the program writes its own memory, its read-only data and its code through a file. */
#include "guest.h"

static const volatile char constant[] = "a constant of the program";
__attribute__((noinline)) static int answer(void) {
    __asm__ volatile("");
    return 0x11223344;
}

int main(void) {
    int fd = OK(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
    char *p = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(p, 2 * PAGE, 3);
    char back[64];
    CHECK_EQ(pread(fd, back, sizeof back, (off_t)(uintptr_t)p), (ssize_t)sizeof back);
    CHECK(memcmp(back, p, sizeof back) == 0);
    CHECK_EQ(pwrite(fd, "across the border", 17, (off_t)(uintptr_t)(p + PAGE - 8)), 17);
    CHECK(memcmp(p + PAGE - 8, "across the border", 17) == 0);
    /* What is read-only for the program is not for the file. */
    OK(mprotect(p, PAGE, PROT_READ));
    CHECK_EQ(pwrite(fd, "forced", 6, (off_t)(uintptr_t)p), 6);
    CHECK(memcmp(p, "forced", 6) == 0);
    CHECK_EQ(pwrite(fd, "THE", 3, (off_t)(uintptr_t)constant), 3);
    CHECK(memcmp((const char *)(uintptr_t)constant, "THEonstant", 4) == 0);
    CHECK_EQ(answer(), 0x11223344);
    unsigned char *code = (unsigned char *)(uintptr_t)answer;
    for (int i = 0; i < 32; i++)
        if (code[i] == 0x44 && code[i + 1] == 0x33) {
            OK(lseek(fd, (off_t)(uintptr_t)(code + i), SEEK_SET));
            CHECK_EQ(write(fd, "\x78\x56\x34\x12", 4), 4);
            break;
        }
    CHECK_EQ(answer(), 0x12345678);
    OK(munmap(p + PAGE, PAGE));
    FAILS(pwrite(fd, "x", 1, (off_t)(uintptr_t)(p + PAGE)), EIO);
    /* Half of it fits. */
    CHECK_EQ(pwrite(fd, "0123456789", 10, (off_t)(uintptr_t)(p + PAGE - 4)), 4);
    CHECK(memcmp(p + PAGE - 4, "0123", 4) == 0);
    pid_t pid = OK(fork());
    if (pid == 0) {
        while (*(volatile char *)p != 'X')
            sleep_ms(1);
        _exit(8);
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int other = OK(open(path, O_RDWR));
    CHECK_EQ(pwrite(other, "X", 1, (off_t)(uintptr_t)p), 1);
    expect_exit(pid, 8);
    CHECK_EQ(p[0], 'f');
    say("pages %016lx at %p", (unsigned long)hash(p, PAGE), (void *)p);
    return 0;
}
