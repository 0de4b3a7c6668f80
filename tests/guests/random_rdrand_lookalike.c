/* Bytes that look like RDRAND and are none: in constants, in data among the code, across two instructions. */
#include "guest.h"

__asm__(".text\n"
        ".globl constant\nconstant: mov $0xf0c70f48, %eax\n ret\n"
        ".globl wide\nwide: movabs $0x11f2c70ff0c70f22, %rax\n ret\n"
        ".globl across\nacross: mov $0x0f000000, %eax\n .byte 0xc7, 0xc1, 0xf0, 0xc7, 0x0f, 0x00\n ret\n"
        ".balign 16\n"
        ".globl table\ntable: .byte 0x0f, 0xc7, 0xf0, 0x0f, 0xc7, 0xf8, 0x48, 0x0f, 0xc7, 0xf1, 0x41, 0x0f, 0xc7, 0xf7, 1, 2\n"
        ".globl jumped\njumped: mov $5, %eax\n jmp 1f\n .byte 0x0f, 0xc7, 0xf0, 0x0f, 0xc7, 0xf8\n1: add $1, %eax\n ret\n"
        ".balign 64\n"
        ".fill 64, 1, 0x90\n"
        ".globl sled\nsled: .byte 0xb8, 0x0f, 0xc7, 0xf0, 0x00\n ret\n");

extern long constant(void), wide(void), across(void), jumped(void), sled(void);
extern const unsigned char table[16];

int main(void) {
    CHECK_EQ(constant(), 0xf0c70f48);
    CHECK_EQ(wide(), 0x11f2c70ff0c70f22);
    CHECK_EQ(across(), 0x0f000000);
    CHECK_EQ(jumped(), 6);
    CHECK_EQ(sled(), 0xf0c70f);
    static const unsigned char want[16] = {0x0f, 0xc7, 0xf0, 0x0f, 0xc7, 0xf8, 0x48, 0x0f,
                                           0xc7, 0xf1, 0x41, 0x0f, 0xc7, 0xf7, 1,    2};
    CHECK(memcmp(table, want, sizeof want) == 0);
    say("code at %p", (void *)constant);
    return 0;
}
