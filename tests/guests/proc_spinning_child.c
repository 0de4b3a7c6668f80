/* Children that compute without end, or for long, in memory of their own: the parent goes on
 * meanwhile, kills the first and waits for the result of the second. */
#include "guest.h"

static volatile unsigned long counter;

int main(void) {
    int ready[2];
    OK(pipe(ready));
    pid_t endless = OK(fork());
    if (endless == 0) {
        CHECK_EQ(write(ready[1], "x", 1), 1);
        for (;;)
            counter++;
    }
    char byte;
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    pid_t busy = OK(fork());
    if (busy == 0) {
        for (unsigned long i = 0; i < 400000000ul; i++)
            counter += i;
        say("the busy child has %lu", counter);
        _exit(3);
    }
    struct timespec pause = {0, 20000000};
    for (int i = 0; i < 10; i++)
        OK(nanosleep(&pause, NULL));
    say("the parent has slept; counter %lu", counter);
    int status;
    CHECK_EQ(waitpid(busy, &status, 0), busy);
    CHECK_EQ(status, 3 << 8);
    OK(kill(endless, SIGTERM));
    CHECK_EQ(waitpid(endless, &status, 0), endless);
    say("the endless child ended with %#x", status);
    CHECK_EQ(status, SIGTERM);
    return 0;
}
