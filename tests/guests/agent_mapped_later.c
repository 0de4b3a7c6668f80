/* A file is mapped when writing to it stops nowhere any more: what is written then shows in the memory. */
#include "guest.h"

enum { ROUNDS = 40 };

static void overwrite(int fd, char byte) {
    char text[64];
    memset(text, byte, sizeof text);
    for (int i = 0; i < ROUNDS; i++)
        CHECK_EQ(pwrite(fd, text, sizeof text, i * 64), sizeof text);
}

static uint64_t seen(const char *map) {
    return hash(map, PAGE);
}

static void later(int flags) {
    int fd = OK(open("mapped-later", O_RDWR | O_CREAT | O_TRUNC, 0600));
    OK(ftruncate(fd, PAGE));
    overwrite(fd, 'a');
    char *map = mmap(NULL, PAGE, PROT_READ | (flags & MAP_SHARED ? PROT_WRITE : 0), flags, fd, 0);
    CHECK(map != MAP_FAILED);
    uint64_t before = seen(map);
    /* Nothing between that stops. */
    overwrite(fd, 'b');
    CHECK_EQ(map[100], 'b');
    say("mapped: %016lx, written: %016lx", (unsigned long)before, (unsigned long)seen(map));
    OK(munmap(map, PAGE));
    overwrite(fd, 'c');
    OK(close(fd));
    OK(unlink("mapped-later"));
}

int main(void) {
    later(MAP_SHARED);
    later(MAP_PRIVATE);
    return 0;
}
