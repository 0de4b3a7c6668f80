/* The vDSO moved to another place by mremap and called there, in a child as well; then unmapped. */
#include "guest.h"
#include <elf.h>
#include <sys/auxv.h>

typedef int (*clock_function)(clockid_t, struct timespec *);

static void *symbol(const char *base, const char *name) {
    const Elf64_Ehdr *head = (const Elf64_Ehdr *)(const void *)base;
    const Elf64_Phdr *program = (const Elf64_Phdr *)(const void *)(base + head->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    unsigned long bias = 0;
    for (int i = 0; i < head->e_phnum; i++) {
        if (program[i].p_type == PT_LOAD)
            bias = (unsigned long)base + program[i].p_offset - program[i].p_vaddr;
        if (program[i].p_type == PT_DYNAMIC)
            dynamic = (const Elf64_Dyn *)(const void *)(base + program[i].p_offset);
    }
    const Elf64_Sym *symbols = NULL;
    const char *strings = NULL;
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        if (dynamic->d_tag == DT_SYMTAB)
            symbols = (const Elf64_Sym *)(bias + dynamic->d_un.d_ptr);
        if (dynamic->d_tag == DT_STRTAB)
            strings = (const char *)(bias + dynamic->d_un.d_ptr);
    }
    /* The string table follows the symbols. */
    for (const Elf64_Sym *s = symbols; s && (const char *)s < strings; s++)
        if (strcmp(strings + s->st_name, name) == 0)
            return (void *)(bias + s->st_value);
    return NULL;
}

int main(void) {
    char *base = (char *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
    if (!base) {
        say("no vDSO");
        return 0;
    }
    clock_function gettime = (clock_function)symbol(base, "__vdso_clock_gettime");
    CHECK(gettime);
    struct timespec t = {0, 0}, last = {0, 0};
    CHECK_EQ(gettime(CLOCK_MONOTONIC, &last), 0);
    say("%ld.%09ld", (long)last.tv_sec, last.tv_nsec);
    unsigned long size = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps);
    char line[600];
    unsigned long start, end;
    while (fgets(line, sizeof line, maps))
        if (strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", &start, &end) == 2)
            size = end - start;
    fclose(maps);
    CHECK(size > 0);
    /* Only the code: it must still find its data, or make calls. Programs move both together. */
    char *area = OK(mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char *copy = OK(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(copy, base, size);
    say("vDSO %016lx", (unsigned long)hash(copy, size));
    pid_t pid = OK(fork());
    if (pid == 0) {
        char *moved = mremap(base, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, area);
        if (moved != MAP_FAILED) {
            CHECK(moved == area && memcmp(moved, "\177ELF", 4) == 0);
            CHECK(memcmp(moved, copy, size) == 0);
            say("moved to %p", (void *)moved);
            OK(munmap(moved, size));
        }
        /* By system call, since the library's pointer leads nowhere now. */
        OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t));
        CHECK(t.tv_sec >= last.tv_sec);
        say("%ld.%09ld in the child", (long)t.tv_sec, t.tv_nsec);
        _exit(0);
    }
    expect_exit(pid, 0);
    CHECK_EQ(gettime(CLOCK_MONOTONIC, &t), 0);
    CHECK(t.tv_sec >= last.tv_sec);
    say("%ld.%09ld", (long)t.tv_sec, t.tv_nsec);
    return 0;
}
