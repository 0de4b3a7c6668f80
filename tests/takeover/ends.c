/* Processes of several threads that end, or become another program, in every way there is. */
#include "../guests/guest.h"
#include <sys/resource.h>
#include <sys/wait.h>

static char **arguments;

static void *wait_for_ever(void *arg) {
    (void)arg;
    for (;;)
        pause();
}

static void *leave(void *arg) {
    (void)arg;
    _exit(3);
}

static void *replace(void *arg) {
    (void)arg;
    execv("/proc/self/exe", arguments);
    guest_fail(__FILE__, __LINE__, "execv");
}

static void *kill_all(void *arg) {
    (void)arg;
    kill(getpid(), SIGKILL);
    return NULL;
}

static void *end_badly(void *arg) {
    (void)arg;
    abort();
}

/* Two threads that wait, and the first one, and perhaps a third that ends it all. */
static void several(void *(*ends)(void *)) {
    pthread_t thread;
    for (int i = 0; i < 2; i++)
        ZERO(pthread_create(&thread, NULL, wait_for_ever, NULL));
    if (ends)
        ZERO(pthread_create(&thread, NULL, ends, NULL));
}

static void child(int way, int expected) {
    pid_t pid = OK(fork());
    if (pid == 0) {
        switch (way) {
        case 0:
            several(leave);
            break;
        case 1:
            several(NULL);
            _exit(3);
        case 2:
            several(replace);
            break;
        case 3:
            several(NULL);
            replace(NULL);
            break;
        case 4:
            several(kill_all);
            break;
        case 5:
            several(end_badly);
            break;
        }
        wait_for_ever(NULL);
    }
    int status = 0;
    CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
    CHECK_EQ(status, expected);
    say("way %d: %x", way, status);
}

int main(int argc, char **argv) {
    if (argc > 1)
        return 4;
    arguments = (char *[]){argv[0], "again", NULL};
    struct rlimit none = {0};
    OK(setrlimit(RLIMIT_CORE, &none));
    child(0, 3 << 8);
    child(1, 3 << 8);
    child(2, 4 << 8);
    child(3, 4 << 8);
    child(4, SIGKILL);
    child(5, SIGABRT);
    return 0;
}
