/* POSIX shared memory by name, mapped by an unrelated image after exec. */
#include "guest.h"

int main(int argc, char **argv) {
    if (argc > 1) {
        int fd = OK(shm_open(argv[1], O_RDWR, 0));
        struct stat st;
        OK(fstat(fd, &st));
        CHECK_EQ(st.st_size, 3 * PAGE);
        char *p = OK(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        CHECK(strcmp(p + PAGE, "from the first image") == 0);
        strcpy(p + 2 * PAGE, "from the second image");
        return 21;
    }
    char name[64];
    snprintf(name, sizeof name, "/guest-%d-%lx", (int)getpid(), (unsigned long)now_ns());
    int fd = OK(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
    OK(ftruncate(fd, (off_t)(3 * PAGE)));
    char *p = OK(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    strcpy(p + PAGE, "from the first image");
    pid_t pid = OK(fork());
    if (pid == 0) {
        execl("/proc/self/exe", argv[0], name, (char *)NULL);
        _exit(1);
    }
    expect_exit(pid, 21);
    OK(shm_unlink(name));
    CHECK(strcmp(p + 2 * PAGE, "from the second image") == 0);
    FAILS(shm_open(name, O_RDWR, 0), ENOENT);
    say("name was %s, page %016lx", name, (unsigned long)hash(p, 3 * PAGE));
    return 0;
}
