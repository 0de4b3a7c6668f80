/* A segment descriptor of one's own is state that is not recorded. */
#include "guest.h"
#include <asm/ldt.h>

int main(void) {
    struct user_desc d;
    memset(&d, 0, sizeof d);
    d.limit = 0xfffff;
    d.seg_32bit = 1;
    d.limit_in_pages = 1;
    long r = syscall(SYS_modify_ldt, 0x11, &d, sizeof d);
    say("modify_ldt %ld", r);
    return 0;
}
