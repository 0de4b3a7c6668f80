/* RDRAND in code that the program writes itself, made executable after it was written, and in a copied file. */
#include "guest.h"
#include <cpuid.h>

/* rdrand rax; setc dl; movzx edx, dl; mov [rdi], edx; ret */
static const unsigned char code[] = {0x48, 0x0f, 0xc7, 0xf0, 0x0f, 0x92, 0xc2, 0x0f, 0xb6, 0xd2, 0x89, 0x17, 0xc3};
typedef uint64_t (*function)(int *);

static void draw(const char *where, void *at) {
    int ok = 0;
    uint64_t value = 0;
    for (int i = 0; i < 100 && !ok; i++)
        value = ((function)at)(&ok);
    CHECK_EQ(ok, 1);
    say("%s: %016lx", where, (unsigned long)value);
}

int main(void) {
    unsigned a, b, c = 0, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 30)) {
        say("no rdrand");
        return 0;
    }
    enum { RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC };
    unsigned char *p = OK(mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(p + 100, code, sizeof code);
    OK(mprotect(p, PAGE, RX));
    draw("written, then executable", p + 100);
    OK(mprotect(p, PAGE, RW));
    CHECK(memcmp(p + 100, code, 4) == 0);
    memcpy(p + 200, code, sizeof code);
    OK(mprotect(p, PAGE, RX));
    draw("the same page again", p + 100);
    draw("and behind it", p + 200);
    unsigned char *file = malloc(PAGE);
    CHECK(file);
    memset(file, 0xcc, PAGE);
    memcpy(file + 300, code, sizeof code);
    make_file("code", file, PAGE);
    int fd = OK(open("code", O_RDONLY));
    p = OK(mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, 0));
    draw("from a file", p + 300);
    p = OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
    OK(mprotect(p, PAGE, RX));
    draw("from a file, executable later", p + 300);
    return 0;
}
