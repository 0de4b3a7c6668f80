/* Threads that change memory and fork: every child shows what was in its copy. One that waits in the
 * kernel while it makes the copy must not be overtaken by the others. */
#include "guest.h"

enum { THREADS = 4, CHILDREN = 100 };
static volatile long changes[THREADS];

static void *parent(void *arg) {
    long me = (long)arg;
    for (int i = 0; i < CHILDREN; i++) {
        changes[me]++;
        pid_t pid = OK(fork());
        if (pid == 0) {
            say("%ld: %ld %ld %ld %ld", me, changes[0], changes[1], changes[2], changes[3]);
            _exit(0);
        }
        changes[me]++;
        int status;
        struct timespec moment = {0, 500000};
        while (OK(waitpid(pid, &status, WNOHANG)) == 0) {
            changes[me]++;
            nanosleep(&moment, NULL);
        }
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        char *page = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        page[0] = 1;
        OK(munmap(page, PAGE));
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, parent, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    return 0;
}
