/* A 32-bit program, which this one writes and executes, cannot be recorded. */
#include "guest.h"
#include <elf.h>

int main(void) {
    struct {
        Elf32_Ehdr head;
        Elf32_Phdr program;
        unsigned char code[16];
    } image;
    memset(&image, 0, sizeof image);
    memcpy(image.head.e_ident, "\177ELF\1\1\1", 7);
    image.head.e_type = ET_EXEC;
    image.head.e_machine = EM_386;
    image.head.e_version = EV_CURRENT;
    image.head.e_entry = 0x08048000 + sizeof image.head + sizeof image.program;
    image.head.e_phoff = sizeof image.head;
    image.head.e_ehsize = sizeof image.head;
    image.head.e_phentsize = sizeof image.program;
    image.head.e_phnum = 1;
    image.program = (Elf32_Phdr){PT_LOAD, 0, 0x08048000, 0x08048000, sizeof image, sizeof image, PF_R | PF_X, 0x1000};
    /* mov eax, 1; mov ebx, 0; int 0x80 */
    memcpy(image.code, "\xb8\1\0\0\0\xbb\0\0\0\0\xcd\x80", 12);
    make_file("program", &image, sizeof image);
    OK(chmod("program", 0755));
    char *const arguments[] = {(char *)"program", NULL};
    execv("./program", arguments);
    /* A kernel without them. */
    CHECK(errno == ENOEXEC);
    return 0;
}
