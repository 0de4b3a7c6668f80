/* A shared file map and write, pwrite, ftruncate, a second map of the same file: all one content. */
#include "guest.h"

int main(void) {
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    OK(ftruncate(fd, (off_t)(4 * PAGE)));
    char *a = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char *b = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)PAGE));
    OK(close(fd));
    fd = OK(open("f", O_RDWR));
    strcpy(a + PAGE + 5, "by the first map");
    CHECK(strcmp(b + 5, "by the first map") == 0);
    char text[100];
    CHECK_EQ(pread(fd, text, 17, (off_t)(PAGE + 5)), 17);
    CHECK(strcmp(text, "by the first map") == 0);
    CHECK_EQ(pwrite(fd, "BY A WRITE", 10, (off_t)(PAGE + 5)), 10);
    CHECK(memcmp(a + PAGE + 5, "BY A WRITEst map", 16) == 0);
    for (int i = 0; i < 50; i++) {
        a[i * 13] = (char)i;
        CHECK_EQ(pread(fd, text, 1, i * 13), 1);
        CHECK_EQ(text[0], i);
        CHECK_EQ(pwrite(fd, &i, 1, 2000 + i), 1);
        CHECK_EQ(a[2000 + i], i);
    }
    /* Cut off and grown again: the pages come back as zero. */
    a[3 * PAGE] = 'x';
    OK(ftruncate(fd, (off_t)(2 * PAGE)));
    OK(ftruncate(fd, (off_t)(4 * PAGE)));
    CHECK_EQ(a[3 * PAGE], 0);
    a[3 * PAGE] = 'y';
    CHECK(pread(fd, text, 1, (off_t)(3 * PAGE)) == 1 && text[0] == 'y');
    /* A file read straight into its own map, and a map written out to its own file. */
    CHECK_EQ(pread(fd, a + 2 * PAGE, PAGE, 0), PAGE);
    CHECK(memcmp(a, a + 2 * PAGE, PAGE) == 0);
    CHECK_EQ(pwrite(fd, a + PAGE, 100, (off_t)(3 * PAGE + 200)), 100);
    CHECK(memcmp(a + 3 * PAGE + 200, a + PAGE, 100) == 0);
    OK(munmap(b, 2 * PAGE));
    say("content %016lx at %p", (unsigned long)hash(a, 4 * PAGE), (void *)a);
    char *read_only = OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
    a[77] = 'z';
    CHECK_EQ(read_only[77], 'z');
    struct stat st;
    OK(fstat(fd, &st));
    say("mtime %ld.%09ld", (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    return 0;
}
