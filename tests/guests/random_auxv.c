/* Everything in the auxiliary vector, AT_RANDOM's bytes, the canary, and addresses chosen by the kernel. */
#include "guest.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>

static int initialised = 1;
static int walk(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size, (void)data;
    say("object %s at %#lx", info->dlpi_name, (unsigned long)info->dlpi_addr);
    return 0;
}

int main(int argc, char **argv, char **environment) {
    (void)argc, (void)argv;
    char **end = environment;
    while (*end)
        end++;
    int entries = 0;
    for (Elf64_auxv_t *v = (Elf64_auxv_t *)(end + 1); v->a_type != AT_NULL; v++, entries++)
        say("aux %lu = %#lx", (unsigned long)v->a_type, (unsigned long)v->a_un.a_val);
    CHECK(entries > 10);
    CHECK_EQ(getauxval(AT_PAGESZ), PAGE);
    CHECK_EQ(getauxval(AT_UID), getuid());
    unsigned char *random = (unsigned char *)getauxval(AT_RANDOM);
    CHECK(random);
    say("AT_RANDOM %016lx", (unsigned long)hash(random, 16));
    unsigned long canary, guard;
    __asm__("mov %%fs:0x28, %0" : "=r"(canary));
    __asm__("mov %%fs:0x30, %0" : "=r"(guard));
    CHECK((canary & 0xff) == 0);
    say("canary %lx pointer guard %lx", canary, guard);
    int on_stack;
    void *heap = malloc(100), *big = malloc(10000000);
    void *mapped = OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    say("main %p data %p stack %p heap %p big %p mapped %p printf %p brk %p", (void *)main, (void *)&initialised,
        (void *)&on_stack, heap, big, mapped, (void *)printf, sbrk(0));
    dl_iterate_phdr(walk, NULL);
    return 0;
}
