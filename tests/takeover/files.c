/* Every way to change files: appended, positioned, renamed, cut, linked, removed. */
#include "../guests/guest.h"
#include <sys/uio.h>

int main(void) {
    OK(mkdir("d", 0750));
    int log = OK(open("d/log", O_CREAT | O_WRONLY | O_APPEND, 0640));
    int data = OK(open("d/data", O_CREAT | O_RDWR, 0600));
    for (int i = 0; i < 6; i++) {
        char line[64];
        int length = snprintf(line, sizeof line, "line %d\n", i);
        OK(write(log, line, (size_t)length));
        struct iovec parts[2] = {{"one ", 4}, {line, (size_t)length}};
        OK(writev(log, parts, 2));
        char block[300];
        fill(block, sizeof block, (unsigned)i);
        OK(pwrite(data, block, sizeof block, i * 200));
        OK(write(data, line, 5));
        CHECK_EQ(lseek(data, 3, SEEK_CUR), (i + 1) * 8);
        char name[32], next[32];
        snprintf(name, sizeof name, "d/tmp%d", i);
        snprintf(next, sizeof next, "d/final%d", i % 2);
        int tmp = OK(open(name, O_CREAT | O_EXCL | O_WRONLY, 0644));
        OK(write(tmp, line, (size_t)length));
        OK(fsync(tmp));
        OK(close(tmp));
        OK(rename(name, next));
        say("round %d", i);
    }
    OK(ftruncate(data, 900));
    OK(link("d/data", "d/hard"));
    OK(symlink("data", "d/soft"));
    OK(unlink("d/final0"));
    OK(mkdir("e", 0700));
    OK(rmdir("e"));
    OK(fchmod(data, 0444));
    char back[100];
    CHECK_EQ(pread(data, back, sizeof back, 850), 50);
    CHECK_EQ(lseek(data, 0, SEEK_SET), 0);
    CHECK_EQ(read(data, back, 10), 10);
    CHECK_EQ(lseek(data, 0, SEEK_CUR), 10);
    say("data %016llx", (unsigned long long)hash(back, 10));
    return 7;
}
