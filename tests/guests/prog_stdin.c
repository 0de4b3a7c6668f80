/* Reads all of standard input, in pieces of changing size, and reports; with no input it says so. */
#include "guest.h"

int main(void) {
    char block[5000];
    uint64_t h = 0;
    size_t total = 0, step = 1;
    ssize_t n;
    while ((n = OK(read(0, block, step))) > 0) {
        h = h * 31 + hash(block, (size_t)n);
        total += (size_t)n;
        step = step * 3 % 4999 + 1;
    }
    say("%zu bytes %016lx", total, (unsigned long)h);
    return total == 100000 ? 0 : 3;
}
