/* Threads with big stacks that use them deeply, and with stacks the program supplies. */
#include "guest.h"

__attribute__((noinline)) static uint64_t deep(int n) {
    volatile char room[4000];
    room[0] = (char)n;
    room[3999] = (char)(n >> 8);
    if (n == 0)
        return 1;
    return deep(n - 1) * 31 + (unsigned char)room[0] + (unsigned char)room[3999];
}

static void *work(void *argument) {
    return (void *)(uintptr_t)deep((int)(intptr_t)argument);
}

int main(void) {
    pthread_attr_t a;
    ZERO(pthread_attr_init(&a));
    ZERO(pthread_attr_setstacksize(&a, 64 << 20));
    pthread_t t[3];
    void *r[3];
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&t[i], &a, work, (void *)1000));
    for (int i = 0; i < 3; i++)
        ZERO(pthread_join(t[i], &r[i]));
    CHECK(r[0] == r[1] && r[1] == r[2]);
    void *stack = OK(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));
    ZERO(pthread_attr_setstack(&a, stack, 1 << 20));
    ZERO(pthread_create(&t[0], &a, work, (void *)100));
    ZERO(pthread_join(t[0], &r[1]));
    say("%016lx %016lx", (unsigned long)(uintptr_t)r[0], (unsigned long)(uintptr_t)r[1]);
    return 0;
}
