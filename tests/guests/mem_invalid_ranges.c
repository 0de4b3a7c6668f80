/* Ranges that the kernel turns down, although they begin below everything and end above it. */
#include "guest.h"

int main(void) {
    char *all = NULL;
    FAILS(munmap(all, 0), EINVAL);
    FAILS(munmap(all, ~0ul), EINVAL);
    FAILS(munmap(all, ~0ul - PAGE), EINVAL);
    FAILS(munmap(all, 1ul << 47), EINVAL);
    FAILS(munmap(all + 1, 1ul << 46), EINVAL);
    FAILS(munmap((void *)0x70000001ul, PAGE), EINVAL);
    FAILS(mprotect(all + 1, 1ul << 46, PROT_READ), EINVAL);
    FAILS(mprotect((void *)PAGE, ~0ul - PAGE + 1, PROT_READ), ENOMEM);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    CHECK(mmap(all, ~0ul - 2 * PAGE, PROT_READ, flags, -1, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(mmap(all + 1, 1ul << 46, PROT_READ, flags, -1, 0) == MAP_FAILED && errno == EINVAL);
    FAILS(madvise(all + 1, 1ul << 46, MADV_DONTNEED), EINVAL);

    char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x70000001ul) == MAP_FAILED && errno == EINVAL);
    p[0] = 'x';
    say("%p %c", (void *)p, p[0]);
    return 0;
}
