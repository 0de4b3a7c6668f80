/* A system call changes rax, rcx and r11 and nothing else: not flags, vector registers or the red zone. */
#include "guest.h"

struct state {
    unsigned long rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, flags, next;
    unsigned char xmm[16][16];
    unsigned char zone[128];
};

__attribute__((noinline)) static void probe(long nr, long a, long b, long c, struct state *s) {
    memset(s, 0, sizeof *s);
    s->rax = (unsigned long)nr, s->rdi = (unsigned long)a, s->rsi = (unsigned long)b, s->rdx = (unsigned long)c;
    /* Everything is set to a pattern, the call made with the carry flag set, everything stored. */
    __asm__ volatile(
        "push %%rbp\n\t"
        "sub $256, %%rsp\n\t"
        "mov %%rbx, 128(%%rsp)\n\t"
        "mov 0(%%rbx), %%rax\n\t mov 24(%%rbx), %%rdx\n\t mov 32(%%rbx), %%rsi\n\t mov 40(%%rbx), %%rdi\n\t"
        "movq $0x5a5a5a5a5a5a5a5a, %%rcx\n\t movq %%rcx, -8(%%rsp)\n\t movq %%rcx, -64(%%rsp)\n\t"
        "movq %%rcx, -128(%%rsp)\n\t"
        "movq %%rcx, %%xmm0\n\t movq %%rcx, %%xmm15\n\t"
        "mov $0x1111, %%ebx\n\t mov $0x2222, %%ebp\n\t mov $0x3333, %%r8d\n\t mov $0x4444, %%r9d\n\t"
        "mov $0x5555, %%r10d\n\t mov $0x6666, %%r12d\n\t mov $0x7777, %%r13d\n\t mov $0x8888, %%r14d\n\t"
        "mov $0x9999, %%r15d\n\t"
        "stc\n\t"
        "syscall\n"
        "1:\n\t"
        "xchg %%rbx, 128(%%rsp)\n\t"
        "mov %%rax, 0(%%rbx)\n\t mov %%rcx, 16(%%rbx)\n\t mov %%rdx, 24(%%rbx)\n\t mov %%rsi, 32(%%rbx)\n\t"
        "mov %%rdi, 40(%%rbx)\n\t mov %%rbp, 48(%%rbx)\n\t mov %%r8, 56(%%rbx)\n\t mov %%r9, 64(%%rbx)\n\t"
        "mov %%r10, 72(%%rbx)\n\t mov %%r11, 80(%%rbx)\n\t mov %%r12, 88(%%rbx)\n\t mov %%r13, 96(%%rbx)\n\t"
        "mov %%r14, 104(%%rbx)\n\t mov %%r15, 112(%%rbx)\n\t"
        "mov 128(%%rsp), %%rax\n\t mov %%rax, 8(%%rbx)\n\t"
        "movups %%xmm0, 136(%%rbx)\n\t movups %%xmm15, 152(%%rbx)\n\t"
        "mov -8(%%rsp), %%rax\n\t mov %%rax, 392(%%rbx)\n\t"
        "mov -64(%%rsp), %%rax\n\t mov %%rax, 400(%%rbx)\n\t"
        "mov -128(%%rsp), %%rax\n\t mov %%rax, 408(%%rbx)\n\t"
        "lea 1b(%%rip), %%rax\n\t mov %%rax, 128(%%rbx)\n\t"
        "pushfq\n\t pop %%rax\n\t mov %%rax, 120(%%rbx)\n\t"
        "add $256, %%rsp\n\t"
        "pop %%rbp\n\t"
        : "+b"(s)
        :
        : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0",
          "xmm15", "cc", "memory");
}

static void check(const char *name, long nr, long a, long b, long c) {
    static struct state s;
    probe(nr, a, b, c, &s);
    unsigned long pattern = 0x5a5a5a5a5a5a5a5aul;
    CHECK(s.rbx == 0x1111 && s.rbp == 0x2222 && s.r8 == 0x3333 && s.r9 == 0x4444 && s.r10 == 0x5555);
    CHECK(s.r12 == 0x6666 && s.r13 == 0x7777 && s.r14 == 0x8888 && s.r15 == 0x9999);
    CHECK(s.rdi == (unsigned long)a && s.rsi == (unsigned long)b && s.rdx == (unsigned long)c);
    CHECK_EQ(s.rcx, s.next);
    CHECK(s.flags & 1);
    CHECK_EQ(s.r11 & 1, 1);
    CHECK(memcmp(s.xmm[0], &pattern, 8) == 0 && memcmp(s.xmm[1], &pattern, 8) == 0);
    unsigned long zone[3];
    memcpy(zone, (char *)&s + 392, sizeof zone);
    CHECK(zone[0] == pattern && zone[1] == pattern && zone[2] == pattern);
    say("%s gave %ld", name, (long)s.rax);
}

static volatile int handled;
static void on_signal(int number) {
    handled = number;
    char room[5000];
    memset(room, 0xee, sizeof room);
    __asm__ volatile("" : : "r"(room) : "memory");
}

int main(void) {
    static struct timespec t, brief = {0, 1000000};
    static char buffer[100];
    int p[2];
    OK(pipe(p));
    check("getpid", SYS_getpid, 1, 2, 3);
    check("clock_gettime", SYS_clock_gettime, CLOCK_REALTIME, (long)&t, 0);
    check("getrandom", SYS_getrandom, (long)buffer, 100, 0);
    check("a call that is none", 5000, 1, 2, 3);
    check("io_uring_setup", 425, 0, 0, 0);
    check("nanosleep", SYS_nanosleep, (long)&brief, 0, 0);
    check("a failing read", SYS_read, -1, 0, 0);
    check("sched_yield", SYS_sched_yield, 0, 0, 0);
    check("madvise", SYS_madvise, 0, 0, MADV_FREE);
    pid_t pid = OK(fork());
    if (pid == 0) {
        sleep_ms(5);
        write_all(p[1], "x", 1);
        _exit(0);
    }
    check("a waiting read", SYS_read, p[0], (long)buffer, 1);
    expect_exit(pid, 0);
    /* The same with a handler that runs at the call's end. */
    signal(SIGUSR1, on_signal);
    check("kill", SYS_kill, getpid(), SIGUSR1, 0);
    CHECK_EQ(handled, SIGUSR1);
    say("%016lx at %ld.%09ld", (unsigned long)hash(buffer, 100), (long)t.tv_sec, t.tv_nsec);
    return 0;
}
