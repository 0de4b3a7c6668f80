/* Requests of ioctl that nobody has heard of: refused by every kind of descriptor; and a map
 * of a socket, which is no memory. */
#include "guest.h"
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(void) {
    char word[64] = {0};
    int file = OK(open("f", O_RDWR | O_CREAT | O_TRUNC, 0600));
    int pipes[2], pair[2];
    OK(pipe(pipes));
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    int null = OK(open("/dev/null", O_RDWR));
    int all[] = {file, pipes[0], pair[0], null};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        errno = 0;
        int r = ioctl(all[i], 0xc0ff7a7a, word);
        say("descriptor %zu: %d, errno %d", i, r, errno);
        CHECK(r == -1 && errno == ENOTTY);
    }
    /* Some drivers say only that they do not like it. */
    int urandom = OK(open("/dev/urandom", O_RDONLY));
    FAILS(ioctl(urandom, 0x5299, word), EINVAL);
    FAILS(ioctl(urandom, 0x5299, 1), EINVAL);
    FAILS(ioctl(1000, 0xc0ff7a7a, word), EBADF);
    int tcp = OK(socket(AF_INET, SOCK_STREAM, 0));
    void *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, tcp, 0);
    say("a map of a socket: %s", map == MAP_FAILED ? "refused" : "made");
    FAILS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, pair[0], 0), ENODEV);
    OK(unlink("f"));
    return 0;
}
