/* A chain of programs, the last started by a thread that is not the first. */
#include "../guests/guest.h"

static char **arguments;

static void *replace(void *arg) {
    execv("/proc/self/exe", arg);
    guest_fail(__FILE__, __LINE__, "execv");
}

int main(int argc, char **argv) {
    int step = argc > 1 ? atoi(argv[1]) : 0;
    int log = OK(open("steps", O_CREAT | O_WRONLY | O_APPEND, 0644));
    dprintf(log, "step %d in %d\n", step, getpid());
    say("step %d", step);
    if (step == 3)
        return 9;
    char number[16];
    snprintf(number, sizeof number, "%d", step + 1);
    arguments = (char *[]){argv[0], number, NULL};
    if (step == 1) {
        pthread_t thread;
        ZERO(pthread_create(&thread, NULL, replace, arguments));
        ZERO(pthread_join(thread, NULL));
    }
    pid_t child = OK(vfork());
    if (child == 0) {
        execl("/bin/true", "true", NULL);
        _exit(127);
    }
    expect_exit(child, 0);
    replace(arguments);
}
