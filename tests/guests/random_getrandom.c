/* getrandom, getentropy, arc4random, and the C library's generators seeded from them. */
#include "guest.h"
#include <sys/random.h>

int main(void) {
    unsigned char a[64], b[64];
    CHECK_EQ(getrandom(a, sizeof a, 0), 64);
    CHECK_EQ(getrandom(b, sizeof b, GRND_NONBLOCK), 64);
    CHECK(memcmp(a, b, sizeof a) != 0);
    say("getrandom %016lx %016lx", (unsigned long)hash(a, 64), (unsigned long)hash(b, 64));
    ssize_t n = OK(getrandom(a, 16, GRND_RANDOM));
    say("GRND_RANDOM %zd %016lx", n, (unsigned long)hash(a, (size_t)n));
    OK(getentropy(a, sizeof a));
    say("getentropy %016lx", (unsigned long)hash(a, 64));
    FAILS(getrandom(a, 1, 0xff00), EINVAL);
    FAILS(syscall(SYS_getrandom, 8, 16, 0), EFAULT);
    say("arc4random %u", arc4random());
    arc4random_buf(a, sizeof a);
    say("arc4random_buf %016lx", (unsigned long)hash(a, 64));
    srandom((unsigned)now_ns());
    say("random %ld %ld", random(), random());
    static char big[100000];
    size_t done = 0;
    while (done < sizeof big)
        done += (size_t)OK(getrandom(big + done, sizeof big - done, 0));
    say("100000 bytes %016lx", (unsigned long)hash(big, sizeof big));
    return 0;
}
