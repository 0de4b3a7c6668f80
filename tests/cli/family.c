/* A process with a named thread, a child that a signal ends, a child that becomes another
   program, a handled signal, and a few clock reads. Always in the same order; ends with 3. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static void handler(int signal)
{
    handled = signal;
}

static void *work(void *argument)
{
    prctl(PR_SET_NAME, "worker", 0, 0, 0);
    return argument;
}

int main(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGTERM);
        _exit(1);
    }
    waitpid(child, NULL, 0);
    child = fork();
    if (child == 0) {
        execl("/bin/true", "true", "and", "nothing", "else", NULL);
        _exit(1);
    }
    waitpid(child, NULL, 0);
    printf("signal %d\n", (int)handled);
    return 3;
}
