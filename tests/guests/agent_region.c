/* Memory around and over what the supervisor may have put into the address space: mapped first, mapped later,
 * taken away with a huge range, moved onto. */
#include "guest.h"
#include <sys/resource.h>
#include <sys/shm.h>

static int zero;

static void calls(void) {
    char bytes[32];
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(read(zero, bytes, sizeof bytes), sizeof bytes);
        CHECK_EQ(syscall(SYS_getppid), getppid());
        struct stat st;
        OK(fstat(zero, &st));
    }
}

enum { RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

/* In a child of its own, which starts anew. */
static void child(const char *program, const char *what) {
    pid_t pid = OK(fork());
    if (pid == 0) {
        execl(program, program, what, NULL);
        _exit(98);
    }
    expect_exit(pid, 0);
}

static char *lowest(void) {
    return (char *)0x70002000ul;
}

static void fixed(void *at, size_t size) {
    char *p = mmap(at, size, RW, ANON | MAP_FIXED, -1, 0);
    CHECK(p == at);
    memset(p, 0x5c, size);
    calls();
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(p[i], 0x5c);
    calls();
}

static void limit(int which, rlim_t to) {
    struct rlimit limit;
    OK(getrlimit((__rlimit_resource_t)which, &limit));
    limit.rlim_cur = to;
    OK(setrlimit((__rlimit_resource_t)which, &limit));
}

static int act(const char *what) {
    zero = OK(open("/dev/zero", O_RDWR));
    if (strcmp(what, "first") == 0) {
        fixed(lowest(), 64 * PAGE);
    } else if (strcmp(what, "first-ring") == 0) {
        fixed((char *)0x70010000ul, 16 * PAGE);
    } else if (strcmp(what, "later") == 0) {
        calls();
        fixed(lowest(), 64 * PAGE);
    } else if (strcmp(what, "later-data") == 0) {
        calls();
        fixed(lowest() + 6 * PAGE, PAGE);
    } else if (strcmp(what, "later-ring") == 0) {
        calls();
        fixed((char *)0x70010000ul, 2 * PAGE);
    } else if (strcmp(what, "unmap") == 0) {
        calls();
        OK(munmap(lowest(), 16u << 20));
        calls();
    } else if (strcmp(what, "unmap-page") == 0) {
        calls();
        OK(munmap(lowest() + 6 * PAGE, PAGE));
        calls();
    } else if (strcmp(what, "move") == 0) {
        char *p = OK(mmap(NULL, 4 * PAGE, RW, ANON, -1, 0));
        calls();
        memset(p, 0x33, 4 * PAGE);
        CHECK(mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, lowest() + 4 * PAGE) == lowest() + 4 * PAGE);
        calls();
        for (size_t i = 0; i < 4 * PAGE; i++)
            CHECK_EQ(lowest()[4 * PAGE + i], 0x33);
    } else if (strcmp(what, "attach") == 0) {
        calls();
        int id = OK(shmget(IPC_PRIVATE, 4 * PAGE, IPC_CREAT | 0600));
        char *p = shmat(id, lowest() + 4 * PAGE, SHM_REMAP);
        OK(shmctl(id, IPC_RMID, NULL));
        CHECK(p == lowest() + 4 * PAGE);
        memset(p, 0x34, 4 * PAGE);
        calls();
        CHECK_EQ(p[PAGE], 0x34);
    } else if (strcmp(what, "hint") == 0) {
        calls();
        char *p = OK(mmap(lowest(), 64 * PAGE, RW, ANON, -1, 0));
        memset(p, 0x35, 64 * PAGE);
        calls();
        CHECK_EQ(p[PAGE], 0x35);
    } else if (strcmp(what, "tight") == 0) {
        limit(RLIMIT_AS, 0);
        calls();
    } else if (strcmp(what, "tight-files") == 0) {
        limit(RLIMIT_NOFILE, 0);
        calls();
    } else if (strcmp(what, "full-table") == 0) {
        limit(RLIMIT_NOFILE, 20);
        while (open("/dev/zero", O_RDONLY) >= 0)
            ;
        CHECK_EQ(errno, EMFILE);
        calls();
    } else if (strcmp(what, "tight-file") == 0) {
        limit(RLIMIT_FSIZE, 1000);
        calls();
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return act(argv[1]);
    static const char *const all[] = {"first", "first-ring", "hint", "tight", "tight-files", "full-table", "tight-file",
                                      "later", "later-data", "later-ring", "unmap", "unmap-page", "move",
                                      "attach"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        child(argv[0], all[i]);
        say("%s", all[i]);
    }
    return 0;
}
