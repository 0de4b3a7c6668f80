/* System calls in code that changes: rewritten, moved, taken away, replaced, jumped into, aliased. */
#include "guest.h"

typedef long (*function)(void);

/* mov eax, number; syscall; lea rax, [rax + 0]; ret: with room for a jump in place of what ends the code. */
static void emit(unsigned char *p, int number) {
    static const unsigned char end[] = {0x0f, 0x05, 0x48, 0x8d, 0x40, 0x00, 0xc3, 0x90, 0x90, 0x90, 0x90};
    p[0] = 0xb8;
    memcpy(p + 1, &number, 4);
    memcpy(p + 5, end, sizeof end);
}

#define run(p, expected)                                                                                     \
    for (int i_ = 0; i_ < 4; i_++)                                                                           \
    CHECK_EQ(((function)(void *)(p))(), expected)

/* Memory that is writable and executable at once: nobody is told when it changes. */
static void writable_code(void) {
    unsigned char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    emit(p, SYS_getpid);
    run(p, getpid());
    int number = SYS_getppid;
    memcpy(p + 1, &number, 4);
    run(p, getppid());
    CHECK_EQ(p[0], 0xb8);
    number = SYS_gettid;
    memcpy(p + 1, &number, 4);
    CHECK(p[5] == 0x0f && p[6] == 0x05 && p[7] == 0x48);
    run(p, gettid());
    /* The end of the code, by half. */
    p[10] = 1;
    run(p, gettid() + 1);
    p[8] = 0xff, p[9] = 0xc0, p[10] = 0xc3;
    run(p, gettid() + 1);
    OK(munmap(p, PAGE));
}

static void replaced_code(void) {
    unsigned char *p = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int round = 0; round < 3; round++) {
        emit(p, SYS_getpid), emit(p + PAGE, SYS_gettid), emit(p + PAGE - 6, SYS_getppid);
        OK(mprotect(p, 2 * PAGE, PROT_READ | PROT_EXEC));
        run(p, getpid());
        run(p + PAGE - 6, getppid());
        OK(mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE));
        CHECK(p[0] == 0xb8 && p[5] == 0x0f && p[6] == 0x05 && p[7] == 0x48);
        /* Only half of it becomes writable. */
        emit(p, SYS_getuid);
        OK(mprotect(p, 2 * PAGE, PROT_READ | PROT_EXEC));
        run(p, getuid());
        run(p + PAGE - 6, getppid());
        OK(mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
        run(p + PAGE - 6, getppid());
        memset(p + PAGE, 0x90, 16);
        p[PAGE] = 0x05, p[PAGE + 1] = 0x90, p[PAGE + 3] = 0xc3;
        CHECK(p[PAGE - 1] == 0x0f);
        run(p + PAGE - 6, getppid());
        OK(mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE));
    }
    OK(munmap(p, 2 * PAGE));
}

/* Given back: nothing is left of it, or of a half of it. */
static void discarded_code(void) {
    unsigned char *p = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    static const unsigned char none[16];
    for (int round = 0; round < 6; round++) {
        emit(p, SYS_getpid), emit(p + PAGE - 6, SYS_getppid);
        OK(mprotect(p, 2 * PAGE, PROT_READ | PROT_EXEC));
        run(p, getpid());
        run(p + PAGE - 6, getppid());
        if (round & 1) {
            OK(madvise(p + PAGE, PAGE, MADV_DONTNEED));
            CHECK(p[PAGE - 6] == 0xb8 && p[PAGE - 1] == 0x0f && memcmp(p + PAGE, none, 16) == 0);
        }
        OK(madvise(p, PAGE, round & 2 ? MADV_DONTNEED : MADV_FREE));
        OK(madvise(p, PAGE, MADV_DONTNEED));
        CHECK(memcmp(p, none, 16) == 0 && memcmp(p + PAGE - 6, none, 6) == 0);
        CHECK(p[PAGE] == (round & 1 ? 0 : 0x05));
        getppid();
        CHECK(memcmp(p, none, 16) == 0 && memcmp(p + PAGE - 6, none, 6) == 0);
        OK(mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE));
    }
    OK(munmap(p, 2 * PAGE));
}

/* Something else at the same address. */
static void other_code(void) {
    unsigned char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < 10; i++) {
        static const int numbers[] = {SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_getgid};
        int number = numbers[i % 5];
        emit(p, number);
        OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
        run(p, syscall(number));
        if (i & 1) {
            OK(munmap(p, PAGE));
            CHECK(mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == p);
        } else {
            CHECK(mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
        }
    }
    OK(munmap(p, PAGE));
}

/* Moved, far away, with another mapping at the old place, and over other code. */
static void moved_code(void) {
    unsigned char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    emit(p, SYS_getpid);
    OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    run(p, getpid());
    unsigned char *far = (unsigned char *)0x300000000000ul;
    CHECK(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, far) == far);
    CHECK(far[0] == 0xb8 && far[7] == 0x48);
    run(far, getpid());
    unsigned char *q = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    emit(q, SYS_gettid);
    OK(mprotect(q, PAGE, PROT_READ | PROT_EXEC));
    run(q, gettid());
    /* Over the first one. */
    CHECK(mremap(q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, far) == far);
    run(far, gettid());
    OK(mprotect(far, PAGE, PROT_READ | PROT_WRITE));
    emit(far, SYS_getppid);
    OK(mprotect(far, PAGE, PROT_READ | PROT_EXEC));
    run(far, getppid());
    OK(munmap(far, PAGE));
}

/* Jumps to where instructions begin behind a site, and to the site itself. */
static void jumped_into(void) {
    unsigned char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    /* xor eax, eax; mov al, 39; syscall; lea rax, [rax + 1]; inc rax; ret */
    static const unsigned char code[] = {0x31, 0xc0, 0xb0, 39, 0x0f, 0x05, 0x48, 0x8d, 0x40, 0x01, 0x48, 0xff, 0xc0, 0xc3};
    memcpy(p, code, sizeof code);
    OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    run(p, getpid() + 2);
    for (int i = 0; i < 3; i++) {
        long result = SYS_getppid;
        __asm__ volatile("call *%1" : "+a"(result) : "r"(p + 4) : "rcx", "r11", "memory");
        CHECK_EQ(result, getppid() + 2);
        result = 5;
        __asm__ volatile("call *%1" : "+a"(result) : "r"(p + 6) : "rcx", "r11", "memory");
        CHECK_EQ(result, 7);
        result = 5;
        __asm__ volatile("call *%1" : "+a"(result) : "r"(p + 10) : "rcx", "r11", "memory");
        CHECK_EQ(result, 6);
    }
    /* The program's own look at its code. */
    CHECK_EQ(p[0], 0x31);
    OK(munmap(p, PAGE));
}

/* Written from elsewhere: through a second mapping, through /proc/self/mem, through the file. */
static void aliased_code(void) {
    int fd = OK(memfd_create("code", 0));
    OK(ftruncate(fd, (off_t)PAGE));
    unsigned char *w = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    unsigned char *x = OK(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
    emit(w, SYS_getpid);
    run(x, getpid());
    emit(w, SYS_getppid);
    run(x, getppid());
    OK(munmap(w, PAGE)), OK(munmap(x, PAGE)), OK(close(fd));
    unsigned char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    emit(p, SYS_getpid);
    OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    run(p, getpid());
    fd = OK(open("/proc/self/mem", O_RDWR));
    unsigned char code[16];
    emit(code, SYS_getppid);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pwrite(fd, code, sizeof code, (off_t)(uintptr_t)p), sizeof code);
    run(p, getppid());
    int number = SYS_gettid;
    CHECK_EQ(pwrite(fd, &number, 4, (off_t)(uintptr_t)(p + 1)), 4);
    run(p, gettid());
    OK(close(fd)), OK(munmap(p, PAGE));
    /* A file mapped privately, which is rewritten: its pages follow as long as they are the file's. */
    make_file("code", code, sizeof code);
    OK(truncate("code", (off_t)PAGE));
    fd = OK(open("code", O_RDWR));
    p = OK(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
    run(p, getppid());
    emit(code, SYS_getpid);
    CHECK_EQ(pwrite(fd, code, sizeof code, 0), sizeof code);
    run(p, getpid());
    OK(close(fd)), OK(munmap(p, PAGE));
    /* Discarded changes: the file's own bytes are back. */
    fd = OK(open("code", O_RDONLY));
    p = OK(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
    run(p, getpid());
    OK(madvise(p, PAGE, MADV_DONTNEED));
    run(p, getpid());
    OK(munmap(p, PAGE)), OK(close(fd));
}

/* A thread waits in a site while another one gets there more often. */
static int channel[2];
static unsigned char *shared_code;

static void *waits_there(void *argument) {
    (void)argument;
    char c = 0;
    long result = SYS_read;
    __asm__ volatile("call *%1"
                     : "+a"(result)
                     : "r"(shared_code), "D"((long)channel[0]), "S"(&c), "d"(1L)
                     : "rcx", "r11", "memory");
    CHECK_EQ(result, 2);
    CHECK_EQ(c, 'w');
    return NULL;
}

static void waited_in(void) {
    shared_code = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    /* nop; syscall; lea rax, [rax + 1]; ret */
    static const unsigned char code[] = {0x90, 0x0f, 0x05, 0x48, 0x8d, 0x40, 0x01, 0xc3, 0x90, 0x90};
    memcpy(shared_code, code, sizeof code);
    OK(mprotect(shared_code, PAGE, PROT_READ | PROT_EXEC));
    OK(pipe(channel));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&threads[i], NULL, waits_there, NULL));
    sleep_ms(10);
    for (int i = 0; i < 50; i++) {
        long result = SYS_getpid;
        __asm__ volatile("call *%1" : "+a"(result) : "r"(shared_code) : "rcx", "r11", "memory");
        CHECK_EQ(result, getpid() + 1);
        if (i % 10 == 9 && i < 40)
            CHECK_EQ(write(channel[1], "w", 1), 1);
    }
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(threads[i], NULL));
    close(channel[0]), close(channel[1]);
    OK(munmap(shared_code, PAGE));
}

int main(void) {
    writable_code();
    replaced_code();
    discarded_code();
    other_code();
    moved_code();
    jumped_into();
    aliased_code();
    waited_in();
    say("pid %d, parent %d", getpid(), getppid());
    return 0;
}
