/* A timer's signals in an interpreter whose loop has not one conditional branch: all jumps are indirect, a decision is arithmetic,
 * and the end is an opcode, which the handler puts there. */
#include "guest.h"
#include <sys/time.h>
#include <ucontext.h>

#define SIGNALS 20

enum { ADD, XOR, ROTATE, MULTIPLY, LOAD, STORE, SKIP, AGAIN, END };

static volatile unsigned char code[] = {MULTIPLY, ADD,  XOR, LOAD, SKIP, ROTATE, STORE,
                                        MULTIPLY, SKIP, XOR, ADD,  LOAD, ROTATE, AGAIN};
static volatile uint64_t pc, r[4] = {1, 2, 3, 4}, memory[256], rounds;
static volatile sig_atomic_t signals;
static uint64_t states, registers;

static void tick(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    const greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (signals == SIGNALS)
        return;
    uint64_t state[] = {pc, r[0], r[1], r[2], r[3], rounds, (uint64_t)g[REG_RIP] - (uint64_t)(uintptr_t)tick};
    CHECK(pc <= sizeof code);
    states = states * 31 + hash(state, sizeof state);
    /* From r8 to rip, and the arithmetic flags. */
    registers = registers * 31 + hash(g, (REG_RIP + 1) * sizeof *g) + ((uint64_t)g[REG_EFL] & 0xcd5);
    if (++signals == SIGNALS)
        code[sizeof code - 1] = END;
}

__attribute__((noinline)) static void interprets(void) {
    static const void *const at[] = {&&add, &&xor, &&rotate, &&multiply, &&load, &&store, &&skip, &&again, &&end};
#define NEXT goto *at[code[pc++]]
    NEXT;
add:
    r[0] += r[1];
    NEXT;
xor:
    r[1] ^= r[2];
    NEXT;
rotate:
    r[2] = r[2] << 7 | r[2] >> 57;
    NEXT;
multiply:
    r[3] = r[3] * 6364136223846793005ull + r[0];
    NEXT;
load:
    r[0] += memory[r[3] >> 56];
    NEXT;
store:
    memory[r[2] >> 56] = r[1];
    NEXT;
skip:
    pc += r[3] >> 63;
    NEXT;
again:
    rounds++;
    pc = 0;
    NEXT;
end:
    return;
}

int main(void) {
    limits_time();
    handle(SIGALRM, tick, SA_RESTART);
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    OK(setitimer(ITIMER_REAL, &often, NULL));
    interprets();
    OK(setitimer(ITIMER_REAL, &never, NULL));
    CHECK_EQ(signals, SIGNALS);
    CHECK_EQ(pc, sizeof code);
    say("%lu rounds, result %016lx, states %016lx, registers %016lx", (unsigned long)rounds,
        (unsigned long)(r[0] ^ r[1] ^ r[2] ^ r[3]), (unsigned long)states, (unsigned long)registers);
    return 0;
}
