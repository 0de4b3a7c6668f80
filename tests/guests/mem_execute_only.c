/* Unusual maps: file maps with offsets and PROT_EXEC, remap_file_pages, the vDSO and vvar, top of memory. */
#include "guest.h"
#include <elf.h>
#include <sys/auxv.h>

int main(void) {
    int fd = OK(open("/proc/self/exe", O_RDONLY));
    unsigned char *image = OK(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
    CHECK(memcmp(image, "\177ELF", 4) == 0);
    const Elf64_Ehdr *vdso = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
    say("vdso at %p", (const void *)vdso);
    if (vdso)
        CHECK(memcmp(vdso->e_ident, "\177ELF", 4) == 0);
    char data[3 * 4096];
    for (int i = 0; i < 3; i++)
        memset(data + i * 4096, 'a' + i, 4096);
    make_file("f", data, sizeof data);
    int rw = OK(open("f", O_RDWR));
    char *p = OK(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, rw, 0));
    int r = (int)syscall(SYS_remap_file_pages, p, PAGE, 0, 2, 0);
    if (r == 0)
        CHECK(p[0] == 'c' && p[PAGE] == 'b');
    say("remap_file_pages %d", r);
    FAILS(mmap((void *)(uintptr_t)0xffffffffff600000ul, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
          ENOMEM);
    char *top = OK(mmap((void *)0x7ffffffd0000ul, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    top[0] = 1;
    say("near the top: %p", (void *)top);
    return 0;
}
