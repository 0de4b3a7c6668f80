/* A private file map: its own copy after a write; the file changed by write() shows in untouched pages. */
#include "guest.h"

int main(void) {
    char data[4 * 4096];
    fill(data, sizeof data, 8);
    make_file("f", data, sizeof data);
    int fd = OK(open("f", O_RDWR));
    char *p = OK(mmap(NULL, sizeof data, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    CHECK(memcmp(p, data, sizeof data) == 0);
    p[10] = (char)(data[10] + 1);
    char c;
    CHECK(pread(fd, &c, 1, 10) == 1 && c == data[10]);
    /* Page 0 is ours now; page 2 still is the file's. */
    CHECK_EQ(pwrite(fd, "changed", 7, 20), 7);
    CHECK_EQ(pwrite(fd, "changed", 7, (off_t)(2 * PAGE + 20)), 7);
    CHECK(memcmp(p + 20, data + 20, 7) == 0);
    CHECK(memcmp(p + 2 * PAGE + 20, "changed", 7) == 0);
    say("private bytes %016lx", (unsigned long)hash(p, sizeof data));
    char *q = OK(mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, (off_t)PAGE));
    CHECK(memcmp(q, data + PAGE, PAGE) == 0);
    OK(close(fd));
    OK(unlink("f"));
    CHECK(memcmp(p + 3 * PAGE, data + 3 * PAGE, PAGE) == 0);
    /* A page shorter than a page: the rest reads as zero. */
    make_file("short", "abc", 3);
    fd = OK(open("short", O_RDONLY));
    char *s = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    CHECK(memcmp(s, "abc\0\0\0\0", 7) == 0 && s[PAGE - 1] == 0);
    s[3] = 'd';
    CHECK(memcmp(s, "abcd", 4) == 0);
    FAILS(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
    FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100), EINVAL);
    int write_only = OK(open("short", O_WRONLY));
    FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, write_only, 0), EACCES);
    pid_t pid = OK(fork());
    if (pid == 0) {
        CHECK_EQ(s[3], 'd');
        s[3] = 'e';
        _exit(0);
    }
    expect_exit(pid, 0);
    CHECK_EQ(s[3], 'd');
    say("maps at %p %p", (void *)p, (void *)s);
    return 0;
}
