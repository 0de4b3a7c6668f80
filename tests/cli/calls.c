/* Many calls, from a place that can be rewritten and from one that cannot. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
    for (int i = 0; i < 500; i++)
        syscall(SYS_getpid);
    /* mov eax, 39; syscall; ret */
    static const unsigned char code[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
    void *area = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        return 1;
    memcpy(area, code, sizeof code);
    for (int i = 0; i < 60; i++)
        ((long (*)(void))area)();
    return 0;
}
