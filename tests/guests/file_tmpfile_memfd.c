/* O_TMPFILE, memfd_create, mkstemp and tmpfile. */
#include "guest.h"

int main(void) {
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);
    if (fd >= 0) {
        write_all(fd, "no name", 7);
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int r = linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW);
        say("named: %d", r);
        if (r == 0) {
            struct stat st;
            OK(stat("named", &st));
            CHECK_EQ(st.st_size, 7);
        }
    } else {
        CHECK(errno == EOPNOTSUPP || errno == EISDIR);
        say("no O_TMPFILE: %d", errno);
    }
    int m = OK(memfd_create("mem", MFD_CLOEXEC));
    OK(ftruncate(m, 10000));
    char *p = OK(mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0));
    strcpy(p + 5000, "through the map");
    char text[32];
    CHECK_EQ(pread(m, text, sizeof text, 5000), 32);
    CHECK(strcmp(text, "through the map") == 0);
    CHECK_EQ(pwrite(m, "through the fd", 15, 6000), 15);
    CHECK(strcmp(p + 6000, "through the fd") == 0);
    char link[PATH_MAX] = {0}, proc[64];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", m);
    OK(readlink(proc, link, sizeof link - 1));
    CHECK(strcmp(link, "/memfd:mem (deleted)") == 0);
    char name[] = "made-XXXXXX";
    int t = OK(mkstemp(name));
    say("mkstemp chose %s fd %d", name, t);
    FILE *f = tmpfile();
    CHECK(f);
    fprintf(f, "formatted %d", 42);
    rewind(f);
    CHECK(fgets(text, sizeof text, f) && strcmp(text, "formatted 42") == 0);
    return 0;
}
