/* One path, ever new contents, of the same size and within the same moment; each map shows what was there. */
#include "guest.h"

int main(void) {
    enum { ROUNDS = 12 };
    static char data[2 * 4096];
    char *maps[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        fill(data, sizeof data, (unsigned)i + 1);
        if (i % 3 == 0) {
            /* A new file of the same name. */
            unlink("f");
            make_file("f", data, sizeof data);
        } else if (i % 3 == 1) {
            make_file("other", data, sizeof data);
            OK(rename("other", "f"));
        } else {
            /* The same file is kept, its former maps are not looked at any more. */
            OK(munmap(maps[i - 1], sizeof data));
            maps[i - 1] = NULL;
            int fd = OK(open("f", O_WRONLY));
            write_all(fd, data, sizeof data);
            OK(close(fd));
        }
        int fd = OK(open("f", O_RDONLY));
        maps[i] = OK(mmap(NULL, sizeof data, i % 2 ? PROT_READ : PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
        OK(close(fd));
        CHECK(memcmp(maps[i], data, sizeof data) == 0);
    }
    uint64_t all = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (!maps[i])
            continue;
        fill(data, sizeof data, (unsigned)i + 1);
        CHECK(memcmp(maps[i], data, sizeof data) == 0);
        all = all * 31 + hash(maps[i], sizeof data);
    }
    say("maps %016lx, the last at %p", (unsigned long)all, (void *)maps[ROUNDS - 1]);
    return 0;
}
