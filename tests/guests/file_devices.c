/* The devices every program uses: null, zero, full, urandom, random. */
#include "guest.h"
#include <sys/ioctl.h>
#include <linux/random.h>

int main(void) {
    char data[256];
    int null = OK(open("/dev/null", O_RDWR));
    CHECK_EQ(write(null, data, sizeof data), 256);
    CHECK_EQ(read(null, data, sizeof data), 0);
    int zero = OK(open("/dev/zero", O_RDWR));
    memset(data, 1, sizeof data);
    CHECK_EQ(read(zero, data, sizeof data), 256);
    for (unsigned i = 0; i < sizeof data; i++)
        CHECK_EQ(data[i], 0);
    int full = OK(open("/dev/full", O_RDWR));
    FAILS(write(full, data, 1), ENOSPC);
    int urandom = OK(open("/dev/urandom", O_RDONLY));
    CHECK_EQ(read(urandom, data, sizeof data), 256);
    say("urandom %016lx", (unsigned long)hash(data, sizeof data));
    int random = OK(open("/dev/random", O_RDONLY));
    ssize_t n = OK(read(random, data, 16));
    CHECK(n > 0);
    say("random %zd %016lx", n, (unsigned long)hash(data, (size_t)n));
    int bits = -1;
    int r = ioctl(urandom, RNDGETENTCNT, &bits);
    say("entropy %d %d", r, bits);
    struct stat st;
    OK(fstat(null, &st));
    CHECK(S_ISCHR(st.st_mode));
    FAILS(ioctl(null, TIOCGWINSZ, data), ENOTTY);
    int tty = open("/dev/tty", O_RDWR);
    say("terminal %d", tty < 0 ? -errno : tty);
    return 0;
}
