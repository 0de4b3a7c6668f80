/* The oldest way to the clock: calls into the page at the top of memory, where the kernel still has it. */
#include "guest.h"
#include <setjmp.h>
#include <sys/time.h>

static sigjmp_buf out;
static void on_segv(int number) {
    (void)number;
    siglongjmp(out, 1);
}

int main(void) {
    signal(SIGSEGV, on_segv);
    int (*volatile get_time)(struct timeval *, void *) = (int (*)(struct timeval *, void *))0xffffffffff600000ul;
    time_t (*volatile seconds)(time_t *) = (time_t(*)(time_t *))0xffffffffff600400ul;
    long (*volatile cpu)(unsigned *, unsigned *, void *) = (long (*)(unsigned *, unsigned *, void *))0xffffffffff600800ul;
    if (sigsetjmp(out, 1)) {
        say("no vsyscall page");
        return 0;
    }
    struct timeval t = {0, 0};
    CHECK_EQ(get_time(&t, NULL), 0);
    time_t now = seconds(NULL);
    /* It lags behind by a tick. */
    CHECK(now >= t.tv_sec - 1 && now <= t.tv_sec + 60);
    unsigned c = 99999, n = 99999;
    CHECK_EQ(cpu(&c, &n, NULL), 0);
    say("%ld.%06ld, %ld, processor %u node %u", (long)t.tv_sec, (long)t.tv_usec, (long)now, c, n);
    return 0;
}
