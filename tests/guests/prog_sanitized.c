/* Built with sanitizers (see the table): huge shadow maps, and a report of an error that the program provokes. */
#include "guest.h"

static void *thread(void *argument) {
    char *copy = strdup((const char *)argument);
    CHECK(copy);
    free(copy);
    return NULL;
}

int main(int argc, char **argv) {
    (void)argv;
    pthread_t t;
    ZERO(pthread_create(&t, NULL, thread, (void *)(uintptr_t)"text"));
    ZERO(pthread_join(t, NULL));
    char *volatile p = malloc(10);
    CHECK(p);
    say("block at %p", (void *)p);
    pid_t pid = OK(fork());
    if (pid == 0) {
        char *q = malloc(50);
        say("child's block at %p", (void *)q);
        free(q);
        _exit(3);
    }
    expect_exit(pid, 3);
    fflush(stdout);
    if (argc > 1)
        return p[10];
    free(p);
    return 0;
}
