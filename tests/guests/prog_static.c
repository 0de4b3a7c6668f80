/* Linked in other ways than usual (see the table): threads, clocks, stdio, fork all the same. */
#include "guest.h"
#include <sys/random.h>

static void *thread(void *argument) {
    say("thread %ld", syscall(SYS_gettid));
    return argument;
}

int main(void) {
    pthread_t t;
    void *value;
    ZERO(pthread_create(&t, NULL, thread, (void *)5));
    ZERO(pthread_join(t, &value));
    CHECK_EQ((intptr_t)value, 5);
    uint64_t r;
    CHECK_EQ(getrandom(&r, sizeof r, 0), 8);
    struct timespec now;
    OK(clock_gettime(CLOCK_REALTIME, &now));
    printf("random %016lx at %ld.%09ld main %p heap %p\n", (unsigned long)r, (long)now.tv_sec, now.tv_nsec,
           (void *)main, malloc(10));
    fflush(stdout);
    pid_t pid = OK(fork());
    if (pid == 0)
        exit(9);
    expect_exit(pid, 9);
    FILE *f = fopen("f", "w+");
    CHECK(f && fprintf(f, "%d", 42) == 2);
    fclose(f);
    return 0;
}
