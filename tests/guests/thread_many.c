/* Sixty-four threads at once, each doing system calls and taking turns through a pipe. */
#include "guest.h"

enum { THREADS = 64 };
static int ring[THREADS][2];

static void *pass(void *argument) {
    int me = (int)(intptr_t)argument;
    uint32_t token;
    for (int round = 0; round < 3; round++) {
        read_exactly(ring[me][0], &token, sizeof token);
        token = token * 31 + (uint32_t)me;
        write_all(ring[(me + 1) % THREADS][1], &token, sizeof token);
    }
    return (void *)(uintptr_t)token;
}

int main(void) {
    pthread_t t[THREADS];
    pthread_attr_t a;
    ZERO(pthread_attr_init(&a));
    ZERO(pthread_attr_setstacksize(&a, 256 * 1024));
    for (int i = 0; i < THREADS; i++)
        OK(pipe(ring[i]));
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_create(&t[i], &a, pass, (void *)(intptr_t)i));
    uint32_t token = (uint32_t)getpid();
    write_all(ring[0][1], &token, sizeof token);
    void *last = NULL;
    for (int i = 0; i < THREADS; i++)
        ZERO(pthread_join(t[i], &last));
    read_exactly(ring[0][0], &token, sizeof token);
    CHECK_EQ(token, (uint32_t)(uintptr_t)last);
    say("token %08x", token);
    return 0;
}
