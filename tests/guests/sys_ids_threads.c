/* setuid and setgroups in a threaded program: the library signals every thread to follow. */
#include "guest.h"
#include <grp.h>

static pthread_barrier_t ready, changed;
static void *thread(void *unused) {
    (void)unused;
    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&changed);
    return (void *)(uintptr_t)syscall(SYS_geteuid);
}

int main(void) {
    ZERO(pthread_barrier_init(&ready, NULL, 4));
    ZERO(pthread_barrier_init(&changed, NULL, 4));
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&t[i], NULL, thread, NULL));
    pthread_barrier_wait(&ready);
    uid_t want = getuid() == 0 ? 1000 : getuid();
    OK(setresuid(want, want, want));
    pthread_barrier_wait(&changed);
    for (int i = 0; i < 3; i++) {
        void *uid;
        ZERO(pthread_join(t[i], &uid));
        CHECK_EQ((uintptr_t)uid, want);
    }
    say("all four are %u", want);
    return 0;
}
