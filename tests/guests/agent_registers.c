/* What a system call leaves alone, made over and over: flags, vector registers, control words, memory below
 * the stack pointer, a stack pointer that leads nowhere, bases. */
#include "guest.h"
#include <asm/prctl.h>
#include <immintrin.h>
#include <sys/auxv.h>

#define ROUNDS 6

static int null;
static char bytes[256] __attribute__((aligned(64)));

enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, DF = 0x400, OF = 0x800, AC = 0x40000, ID = 0x200000 };

struct seen {
    unsigned long flags, r11, rsp, rcx, next;
};

/* flags, then the stack pointer if it is not 0; what is there behind the call. */
__attribute__((noinline)) static long probe(unsigned long flags, unsigned long rsp, long nr, long a, long b, long c,
                                            struct seen *seen) {
    register long result __asm__("rax") = nr;
    register unsigned long f __asm__("r8") = flags;
    register unsigned long s __asm__("r9") = rsp;
    register struct seen *out __asm__("r15") = seen;
    __asm__ volatile("mov %%rsp, %%r12\n\t"
                     "lea -256(%%rsp), %%r13\n\t"
                     "test %%r9, %%r9\n\t"
                     "cmovz %%r13, %%r9\n\t"
                     "sub $256, %%rsp\n\t"
                     "push %%r8\n\t"
                     "popfq\n\t"
                     "mov %%r9, %%rsp\n\t"
                     "syscall\n"
                     "1: mov %%rsp, %%r13\n\t"
                     "mov %%r12, %%rsp\n\t"
                     "lea -256(%%rsp), %%rsp\n\t"
                     "pushfq\n\t"
                     "pop %%r14\n\t"
                     "push $2\n\t"
                     "popfq\n\t"
                     "mov %%r12, %%rsp\n\t"
                     "mov %%r14, 0(%%r15)\n\t"
                     "mov %%r11, 8(%%r15)\n\t"
                     "mov %%r13, 16(%%r15)\n\t"
                     "mov %%rcx, 24(%%r15)\n\t"
                     "lea 1b(%%rip), %%rcx\n\t"
                     "mov %%rcx, 32(%%r15)\n\t"
                     : "+r"(result), "+r"(s)
                     : "D"(a), "S"(b), "d"(c), "r"(f), "r"(out)
                     : "rcx", "r11", "r12", "r13", "r14", "memory", "cc");
    return result;
}

static void flags(void) {
    static const unsigned long all[] = {0, CF, PF, AF, ZF, SF, DF, OF, AC, ID, CF | PF | AF | ZF | SF | DF | OF | AC};
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            struct seen seen;
            unsigned long want = all[i] | 0x202;
            CHECK_EQ(probe(all[i] | 0x202, 0, SYS_getpid, 0, 0, 0, &seen), getpid());
            CHECK_EQ(seen.flags, want);
            CHECK_EQ(seen.r11, want);
            CHECK_EQ(seen.rcx, seen.next);
            /* Odd buffers, odd lengths: the alignment check is the program's own. */
            CHECK_EQ(probe(all[i] | 0x202, 0, SYS_write, null, (long)(bytes + 1), 13, &seen), 13);
            CHECK_EQ(seen.flags, want);
            CHECK_EQ(seen.r11, want);
            struct stat st;
            CHECK_EQ(probe(all[i] | 0x202, 0, SYS_fstat, null, (long)&st, 0, &seen), 0);
            CHECK_EQ(seen.flags, want);
            CHECK_EQ(probe(all[i] | 0x202, 0, SYS_getrandom, (long)(bytes + 3), 11, 0, &seen), 11);
            CHECK_EQ(seen.flags, want);
            CHECK_EQ(seen.rcx, seen.next);
        }
}

static void stacks(void) {
    char *one = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char *none = OK(mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OK(munmap(one + PAGE, PAGE));
    unsigned long pointers[] = {8,
                                1,
                                0xffff800000000000ul,
                                0x123456789abcdef1ul,
                                (unsigned long)-8l,
                                (unsigned long)none,
                                (unsigned long)none + 100,
                                (unsigned long)one + 1,
                                (unsigned long)one + PAGE};
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) {
            struct seen seen;
            memset(one, 0x77, PAGE);
            CHECK_EQ(probe(0x202, pointers[i], SYS_getpid, 0, 0, 0, &seen), getpid());
            CHECK(seen.rsp == pointers[i]);
            CHECK_EQ(probe(0x202, pointers[i], SYS_write, null, (long)bytes, 64, &seen), 64);
            CHECK(seen.rsp == pointers[i]);
            CHECK_EQ(probe(0x202, pointers[i], SYS_read, -1, 0, 0, &seen), -EBADF);
            for (size_t at = 0; at < PAGE; at++)
                CHECK_EQ(one[at], 0x77);
        }
}

__attribute__((target("avx"))) static void wide(void) {
    for (int round = 0; round < ROUNDS; round++) {
        unsigned char in[16][32], out[16][32];
        fill(in, sizeof in, (unsigned)round);
        long result = SYS_getrandom;
        __asm__ volatile(
            "vmovdqu (%1), %%ymm0\n\t vmovdqu 32(%1), %%ymm1\n\t vmovdqu 64(%1), %%ymm2\n\t"
            "vmovdqu 96(%1), %%ymm3\n\t vmovdqu 128(%1), %%ymm4\n\t vmovdqu 160(%1), %%ymm5\n\t"
            "vmovdqu 192(%1), %%ymm6\n\t vmovdqu 224(%1), %%ymm7\n\t vmovdqu 256(%1), %%ymm8\n\t"
            "vmovdqu 288(%1), %%ymm9\n\t vmovdqu 320(%1), %%ymm10\n\t vmovdqu 352(%1), %%ymm11\n\t"
            "vmovdqu 384(%1), %%ymm12\n\t vmovdqu 416(%1), %%ymm13\n\t vmovdqu 448(%1), %%ymm14\n\t"
            "vmovdqu 480(%1), %%ymm15\n\t"
            "mov $318, %%eax\n\t"
            "syscall\n\t"
            "vmovdqu %%ymm0, (%2)\n\t vmovdqu %%ymm1, 32(%2)\n\t vmovdqu %%ymm2, 64(%2)\n\t"
            "vmovdqu %%ymm3, 96(%2)\n\t vmovdqu %%ymm4, 128(%2)\n\t vmovdqu %%ymm5, 160(%2)\n\t"
            "vmovdqu %%ymm6, 192(%2)\n\t vmovdqu %%ymm7, 224(%2)\n\t vmovdqu %%ymm8, 256(%2)\n\t"
            "vmovdqu %%ymm9, 288(%2)\n\t vmovdqu %%ymm10, 320(%2)\n\t vmovdqu %%ymm11, 352(%2)\n\t"
            "vmovdqu %%ymm12, 384(%2)\n\t vmovdqu %%ymm13, 416(%2)\n\t vmovdqu %%ymm14, 448(%2)\n\t"
            "vmovdqu %%ymm15, 480(%2)\n\t vzeroupper\n\t"
            : "+a"(result)
            : "r"(in), "r"(out), "D"(bytes), "S"(77L), "d"(0L)
            : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
              "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
        CHECK_EQ(result, 77);
        CHECK(memcmp(in, out, sizeof in) == 0);
    }
}

__attribute__((target("avx512f"))) static void wider(void) {
    for (int round = 0; round < ROUNDS; round++) {
        unsigned char in[4][64], out[4][64];
        fill(in, sizeof in, (unsigned)round + 100);
        unsigned masks = 0;
        __asm__ volatile("vmovdqu64 (%1), %%zmm0\n\t vmovdqu64 64(%1), %%zmm15\n\t vmovdqu64 128(%1), %%zmm16\n\t"
                         "vmovdqu64 192(%1), %%zmm31\n\t"
                         "mov $0x5a5a, %%eax\n\t kmovw %%eax, %%k1\n\t mov $0x1234, %%eax\n\t kmovw %%eax, %%k7\n\t"
                         "mov $318, %%eax\n\t"
                         "syscall\n\t"
                         "vmovdqu64 %%zmm0, (%2)\n\t vmovdqu64 %%zmm15, 64(%2)\n\t vmovdqu64 %%zmm16, 128(%2)\n\t"
                         "vmovdqu64 %%zmm31, 192(%2)\n\t"
                         "kmovw %%k1, %%eax\n\t kmovw %%k7, %%ecx\n\t shl $16, %%ecx\n\t or %%ecx, %%eax\n\t"
                         "vzeroupper\n\t"
                         : "=a"(masks)
                         : "r"(in), "r"(out), "D"(bytes), "S"(77L), "d"(0L)
                         : "rcx", "r11", "memory", "xmm0", "xmm15");
        CHECK_EQ(masks, 0x12345a5a);
        CHECK(memcmp(in, out, sizeof in) == 0);
    }
}

static void controls(void) {
    for (int round = 0; round < ROUNDS; round++) {
        unsigned old = _mm_getcsr(), set = 0x1f80 | 0x6000 | 0x8040 | 0x3f;
        unsigned short word = 0x0c7f, status = 0, top;
        double value = 0;
        _mm_setcsr(set);
        __asm__ volatile("fldcw %0\n\t fldpi\n\t fld1" : : "m"(word));
        for (int i = 0; i < 3; i++)
            CHECK_EQ(syscall(SYS_getrandom, bytes, 100, 0), 100);
        __asm__ volatile("fnstcw %0\n\t fnstsw %1\n\t fstp %%st(0)\n\t fstpl %2" : "=m"(top), "=m"(status), "=m"(value));
        CHECK_EQ(_mm_getcsr(), set);
        CHECK_EQ(top, word);
        CHECK_EQ(status & 0x3800, 6 << 11);
        CHECK(value > 3.14 && value < 3.15);
        _mm_setcsr(old);
        word = 0x37f;
        __asm__ volatile("fldcw %0" : : "m"(word));
    }
}

static void bases(void) {
    for (int round = 0; round < ROUNDS; round++) {
        unsigned long fs, gs, mine = (unsigned long)bytes;
        OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
        OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
        OK(syscall(SYS_arch_prctl, ARCH_SET_GS, mine + (unsigned long)round));
        CHECK_EQ(getppid(), syscall(SYS_getppid));
        OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
        CHECK(gs == mine + (unsigned long)round);
        /* fs leads elsewhere around the call. */
        long first = SYS_getpid, second = SYS_getpid;
        if (getauxval(AT_HWCAP2) & 2)
            __asm__ volatile("wrfsbase %[mine]\n\t"
                             "mov $39, %%eax\n\t syscall\n\t mov %%rax, %%rbx\n\t"
                             "mov $39, %%eax\n\t syscall\n\t"
                             "wrfsbase %[fs]\n\t"
                             : "=&a"(first), "=&b"(second)
                             : [mine] "r"(mine), [fs] "r"(fs)
                             : "rcx", "r11", "memory");
        else
            first = second = getpid();
        CHECK(first == getpid() && second == getpid());
    }
}

/* What lies below the stack pointer is the program's. */
static void red_zone(void) {
    for (int round = 0; round < ROUNDS; round++) {
        unsigned long a = 0, b = 0;
        long result = SYS_getuid;
        __asm__ volatile("lea -512(%%rsp), %%rsp\n\t"
                         "movq $0x11111111, -8(%%rsp)\n\t movq $0x22222222, -120(%%rsp)\n\t movq $0x33, -500(%%rsp)\n\t"
                         "syscall\n\t"
                         "mov -8(%%rsp), %1\n\t add -120(%%rsp), %1\n\t mov -500(%%rsp), %2\n\t"
                         "lea 512(%%rsp), %%rsp\n\t"
                         : "+a"(result), "=&r"(a), "=&r"(b)
                         :
                         : "rcx", "r11", "memory");
        CHECK_EQ(result, getuid());
        CHECK(a == 0x33333333 && b == 0x33);
    }
}

int main(void) {
    null = OK(open("/dev/null", O_RDWR));
    flags();
    stacks();
    if (__builtin_cpu_supports("avx"))
        wide();
    if (__builtin_cpu_supports("avx512f"))
        wider();
    controls();
    bases();
    red_zone();
    say("%016lx", (unsigned long)hash(bytes, sizeof bytes));
    return 0;
}
