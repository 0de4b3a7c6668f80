/* A process with a child and a daemon, which all wait for ever. */
#include "../../guests/guest.h"

int main(void) {
    if (OK(fork()) == 0) {
        OK(setsid());
        if (OK(fork()) == 0)
            for (;;)
                pause();
        for (;;)
            pause();
    }
    say("waiting");
    for (;;)
        pause();
}
