/* Writes one megabyte of text to standard output, in one write and in many. */
#include "guest.h"

int main(void) {
    size_t size = 512 * 1024;
    char *text = malloc(size);
    CHECK(text);
    fill(text, size, (unsigned)getpid());
    for (size_t i = 0; i < size; i++)
        text[i] = i % 64 == 63 ? '\n' : (char)('!' + (unsigned char)text[i] % 90);
    write_all(1, text, size);
    for (size_t at = 0; at < size; at += 4096)
        write_all(1, text + at, 4096);
    return 0;
}
