/* Threads of low and lowest priority that wait for each other many times, while nobody else wants the processor. */
#include "guest.h"
#include <sys/resource.h>

/* Whoever is of the lowest priority gets hardly any time while somebody else wants the processor after all. */
enum { ROUNDS = 300, MS_MAX = 2000 };
/* The last byte that is sent. */
static const char END = 'e';

static int p[2][2];
static void *echo(void *unused) {
    (void)unused;
    struct sched_param none = {0};
    OK(syscall(SYS_sched_setscheduler, 0, SCHED_IDLE, &none));
    char byte;
    do {
        read_exactly(p[0][0], &byte, 1);
        write_all(p[1][1], &byte, 1);
    } while (byte != END);
    return NULL;
}

int main(void) {
    OK(setpriority(PRIO_PROCESS, 0, 19));
    OK(pipe(p[0]));
    OK(pipe(p[1]));
    pthread_t t;
    ZERO(pthread_create(&t, NULL, echo, NULL));
    uint64_t start = now_ns();
    int rounds = 0;
    for (int last = 0; !last; rounds++) {
        last = rounds + 1 >= ROUNDS || now_ns() - start > MS_MAX * 1000000ull;
        char sent = last ? END : (char)(rounds % 100), byte;
        write_all(p[0][1], &sent, 1);
        read_exactly(p[1][0], &byte, 1);
        CHECK_EQ(byte, sent);
    }
    ZERO(pthread_join(t, NULL));
    say("%d rounds, %lu us", rounds, (unsigned long)((now_ns() - start) / 1000));
    return 0;
}
