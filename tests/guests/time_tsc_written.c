/* The time stamp counter read by code that is not there at first: written at run time, made executable later, in a file,
 * in shared memory, in a library; in children, after vfork, after exec, and where the program forbids it. */
#include "guest.h"
#include <dlfcn.h>
#include <sys/prctl.h>
#include <sys/shm.h>

/* rdtsc; shl rdx, 32; or rax, rdx; ret */
static const unsigned char code[] = {0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0xc3};
typedef uint64_t (*function)(void);
enum { RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC, RWX = RW | PROT_EXEC };

static uint64_t clocks(void) {
    uint64_t sum = 0;
    for (int i = 0; i < 20; i++) {
        struct timespec t;
        OK(clock_gettime(CLOCK_MONOTONIC, &t));
        sum = sum * 31 + (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }
    return sum;
}

static void use(const char *where, void *at) {
    uint64_t first = ((function)at)(), between = clocks(), second = ((function)at)();
    CHECK(second > first);
    say("%s: %lu %016lx %lu", where, (unsigned long)first, (unsigned long)between, (unsigned long)second);
}

static void *anonymous(int prot, int flags) {
    return OK(mmap(NULL, PAGE, prot, flags | MAP_ANONYMOUS, -1, 0));
}

static void written(void) {
    void *at = anonymous(RWX, MAP_PRIVATE);
    clocks();
    memcpy(at, code, sizeof code);
    use("written", at);
}

static void executable_later(void) {
    char *at = anonymous(RW, MAP_PRIVATE);
    memcpy(at + 10, code, sizeof code);
    OK(mprotect(at, PAGE, RX));
    use("executable later", at + 10);
}

static void over_the_program(void) {
    /* The program's own text, changed. */
    char *page = (char *)((uintptr_t)executable_later & ~(PAGE - 1));
    unsigned char before[sizeof code];
    OK(mprotect(page, PAGE, RWX));
    memcpy(before, (void *)executable_later, sizeof code);
    memcpy((void *)executable_later, code, sizeof code);
    use("over the program", (void *)executable_later);
    memcpy((void *)executable_later, before, sizeof code);
}

static void in_a_file(void) {
    unsigned char page[PAGE];
    memset(page, 0xcc, sizeof page);
    memcpy(page + 300, code, sizeof code);
    make_file("code", page, PAGE);
    int fd = OK(open("code", O_RDONLY));
    char *at = OK(mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, 0));
    use("in a file", at + 300);
    OK(close(fd));
}

static void in_two_files(void) {
    /* One instruction, the halves of which are mapped side by side. */
    unsigned char page[2 * PAGE];
    memset(page, 0x90, sizeof page);
    memcpy(page + PAGE - 1, code, sizeof code);
    make_file("first", page, PAGE);
    make_file("second", page + PAGE, PAGE);
    char *at = OK(mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    int first = OK(open("first", O_RDONLY)), second = OK(open("second", O_RDONLY));
    OK(mmap(at, PAGE, RX, MAP_PRIVATE | MAP_FIXED, first, 0));
    OK(mmap(at + PAGE, PAGE, RX, MAP_PRIVATE | MAP_FIXED, second, 0));
    use("in two files", at + PAGE - 1);
}

static void through_a_file(void) {
    /* A mapped file, changed by write. */
    unsigned char page[PAGE];
    memset(page, 0xc3, sizeof page);
    make_file("changing", page, PAGE);
    int fd = OK(open("changing", O_RDWR));
    char *at = OK(mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, 0));
    ((function)(at + 64))();
    clocks();
    CHECK_EQ(pwrite(fd, code, sizeof code, 64), (ssize_t)sizeof code);
    use("through a file", at + 64);
}

static void in_shared_memory(void) {
    int id = OK(shmget(IPC_PRIVATE, PAGE, 0700));
    char *writable = shmat(id, NULL, 0), *at = shmat(id, NULL, SHM_EXEC | SHM_RDONLY);
    OK(shmctl(id, IPC_RMID, NULL));
    CHECK(writable != (void *)-1 && at != (void *)-1);
    memcpy(writable, code, sizeof code);
    use("in shared memory", at);
}

static void in_a_library(void) {
#ifndef STATIC
    void *library = dlopen("libcrypto.so.3", RTLD_NOW);
    if (library)
        clocks();
    library = dlopen("libgcrypt.so.20", RTLD_NOW);
    if (library)
        clocks();
#endif
    written();
}

static void forbidden(void) {
    clocks();
    OK(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
    pid_t pid = OK(fork());
    if (pid == 0) {
        void *at = anonymous(RWX, MAP_PRIVATE);
        memcpy(at, code, sizeof code);
        clocks();
        ((function)at)();
        _exit(0);
    }
    expect_signal(pid, SIGSEGV);
    OK(prctl(PR_SET_TSC, PR_TSC_ENABLE));
    written();
}

static void after_vfork(void) {
    static char *volatile at;
    if (OK(vfork()) == 0) {
        at = mmap(NULL, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        _exit(0);
    }
    OK(wait(NULL));
    memcpy(at, code, sizeof code);
    use("after vfork", at);
}

static char *self;
static void after_exec(void) {
    /* A program begins anew, whatever the one before was. */
    written();
    execl(self, self, "again", NULL);
    _exit(99);
}

int main(int argc, char **argv) {
    self = argv[0];
    if (argc > 1) {
        clocks();
        written();
        return 0;
    }
    void (*const ways[])(void) = {written, executable_later, over_the_program, in_a_file, in_two_files, through_a_file,
                                  in_shared_memory, in_a_library, forbidden, after_vfork, after_exec};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        pid_t pid = OK(fork());
        if (pid == 0) {
            clocks();
            ways[i]();
            _exit(0);
        }
        expect_exit(pid, 0);
        clocks();
    }
    written();
    return 0;
}
