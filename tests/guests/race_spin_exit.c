/* A thread looks at a plain word until another one, which computes, has set it: how often it looked. */
#include "guest.h"

static volatile int flag;
static unsigned long spins;
static uint32_t result;

static void *spinner(void *unused) {
    (void)unused;
    unsigned long n = 0;
    while (!flag)
        n++;
    spins = n;
    return NULL;
}

static void *setter(void *unused) {
    (void)unused;
    uint32_t x = 1;
    for (int i = 0; i < 12000000; i++) {
        x = x * 1664525u + 1013904223u;
        if (x & 0x100000)
            x ^= x >> 9;
    }
    result = x;
    flag = 1;
    return NULL;
}

int main(void) {
    alarm(60);
    pthread_t t[2];
    ZERO(pthread_create(&t[0], NULL, spinner, NULL));
    ZERO(pthread_create(&t[1], NULL, setter, NULL));
    for (int i = 0; i < 2; i++)
        ZERO(pthread_join(t[i], NULL));
    CHECK_EQ(flag, 1);
    say("%lu looks, computed %08x", spins, result);
    return 0;
}
