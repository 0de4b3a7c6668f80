/* A fatal signal in one thread ends the whole process, whatever the others do. */
#include "guest.h"

static void *crash(void *unused) {
    (void)unused;
    sleep_ms(2);
    say("thread %ld crashes", syscall(SYS_gettid));
    *(volatile int *)8 = 1;
    return NULL;
}
static void *idle(void *unused) {
    (void)unused;
    for (;;)
        sleep_ms(1);
    return NULL;
}

int main(void) {
    pthread_t t;
    for (int i = 0; i < 2; i++)
        ZERO(pthread_create(&t, NULL, idle, NULL));
    ZERO(pthread_create(&t, NULL, crash, NULL));
    pthread_join(t, NULL);
    return 1;
}
