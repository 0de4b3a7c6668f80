/* Code the program writes: in a page that is writable and executable, and by turns RW then RX. */
#include "guest.h"

typedef int (*function)(int);

/* lea eax, [rdi + n]; ret */
static void emit(unsigned char *p, int n) {
    p[0] = 0x8d, p[1] = 0x87;
    memcpy(p + 2, &n, 4);
    p[6] = 0xc3;
}

int main(void) {
    unsigned char *rwx = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long sum = 0;
    if (rwx != MAP_FAILED) {
        for (int i = 0; i < 100; i++) {
            emit(rwx, i);
            sum += ((function)(void *)rwx)(1000);
            /* A system call in freshly made code as well: mov eax, 39; syscall; ret */
            static const unsigned char getpid_code[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
            memcpy(rwx + 64, getpid_code, sizeof getpid_code);
            CHECK_EQ(((int (*)(void))(void *)(rwx + 64))(), getpid());
            static const unsigned char getppid_code[] = {0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3};
            memcpy(rwx + 64, getppid_code, sizeof getppid_code);
            CHECK_EQ(((int (*)(void))(void *)(rwx + 64))(), getppid());
        }
        CHECK_EQ(sum, 100 * 1000 + 99 * 50);
    }
    unsigned char *jit = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < 20; i++) {
        OK(mprotect(jit, PAGE, PROT_READ | PROT_WRITE));
        emit(jit + i * 16, i * 7);
        OK(mprotect(jit, PAGE, PROT_READ | PROT_EXEC));
        CHECK_EQ(((function)(void *)(jit + i * 16))(5), 5 + i * 7);
    }
    /* One memory, two views: written through one, executed through the other. */
    int fd = OK(memfd_create("code", 0));
    OK(ftruncate(fd, (off_t)PAGE));
    unsigned char *w = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    unsigned char *x = OK(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
    for (int i = 0; i < 20; i++) {
        emit(w, i);
        CHECK_EQ(((function)(void *)x)(1), 1 + i);
    }
    say("sum %ld, code at %p %p %p", sum, (void *)rwx, (void *)jit, (void *)x);
    return 0;
}
