/* The page at 0x70000000 is ftrun's: a fixed map over it cannot be recorded. */
#include "guest.h"

int main(void) {
    char *p = OK(mmap((void *)0x70000000ul, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    p[0] = 1;
    say("%p", (void *)p);
    return 0;
}
