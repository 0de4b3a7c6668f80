/* Writes to standard error only, by several ways, and exits with a code of its own. */
#include "guest.h"

int main(void) {
    fprintf(stderr, "unbuffered %d\n", (int)getpid());
    perror("perror");
    dprintf(2, "descriptor at %lu\n", (unsigned long)now_ns());
    write_all(2, "no newline at the end", 21);
    return 42;
}
