/* The program changes its own text: by mprotect, by a map over it, and by a fresh copy of it. */
#include "guest.h"

__attribute__((noinline, aligned(64))) static int answer(void) {
    __asm__ volatile("");
    return 0x11223344;
}

static void patch(unsigned char *code, int value) {
    static const unsigned char opcode = 0xb8;
    for (int i = 0; i < 16; i++)
        if (code[i] == opcode) {
            memcpy(code + i + 1, &value, 4);
            return;
        }
    CHECK(0);
}

int main(void) {
    unsigned char *code = (unsigned char *)(uintptr_t)answer;
    unsigned char *page = (unsigned char *)((uintptr_t)code & ~(PAGE - 1));
    CHECK_EQ(answer(), 0x11223344);
    OK(mprotect(page, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
    patch(code, 1234);
    OK(mprotect(page, 2 * PAGE, PROT_READ | PROT_EXEC));
    CHECK_EQ(answer(), 1234);
    /* A child inherits the changed text and changes it again. */
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(mprotect(page, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
        patch(code, 77);
        _exit(answer());
    }
    expect_exit(pid, 77);
    CHECK_EQ(answer(), 1234);
    /* The pages are replaced by anonymous ones with the same content. */
    static unsigned char copy[2 * 4096];
    memcpy(copy, page, sizeof copy);
    unsigned char *fresh = OK(mmap(NULL, sizeof copy, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(fresh, copy, sizeof copy);
    patch(fresh + (code - page), 4321);
    OK(mprotect(fresh, sizeof copy, PROT_READ | PROT_EXEC));
    CHECK(mremap(fresh, sizeof copy, sizeof copy, MREMAP_MAYMOVE | MREMAP_FIXED, page) == page);
    CHECK_EQ(answer(), 4321);
    /* And by a map of the program's file: the original text is back. */
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps);
    char line[600];
    unsigned long start, end, offset = 0, base = 0;
    while (fgets(line, sizeof line, maps)) {
        unsigned long at;
        if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &at) == 3 && strstr(line, "/bin/") && base == 0)
            base = start - at;
    }
    fclose(maps);
    CHECK(base);
    offset = (unsigned long)(uintptr_t)page - base;
    int fd = OK(open("/proc/self/exe", O_RDONLY));
    CHECK(mmap(page, sizeof copy, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, (off_t)offset) == page);
    CHECK_EQ(answer(), 0x11223344);
    say("text at %p", (void *)code);
    return 0;
}
