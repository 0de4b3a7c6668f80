/* personality: read, and change what exec and mmap do; setting it back. */
#include "guest.h"
#include <sys/personality.h>

int main(void) {
    int before = OK(personality(0xffffffff));
    say("personality %#x", before);
    CHECK_EQ(personality((unsigned long)before | ADDR_LIMIT_3GB), before);
    CHECK_EQ(personality(0xffffffff), before | ADDR_LIMIT_3GB);
    CHECK_EQ(personality((unsigned long)before), before | ADDR_LIMIT_3GB);
    /* A page mapped readable becomes executable as well. */
    OK(personality((unsigned long)before | READ_IMPLIES_EXEC));
    char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    p[0] = (char)0xc3;
    ((void (*)(void))(void *)p)();
    OK(personality((unsigned long)before));
    say("ran code at %p", (void *)p);
    return 0;
}
