/* The kernel's cryptography through a socket: a hash and a keyed hash, where the kernel has them. */
#include "net.h"
#include <linux/if_alg.h>

int main(void) {
    struct sockaddr_alg a = {.salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha1"};
    int fd = socket(AF_ALG, SOCK_SEQPACKET, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        say("no such socket, errno %d", errno);
        CHECK(errno == EAFNOSUPPORT || errno == ENOENT || errno == EPERM);
        return 0;
    }
    int operation = OK(accept(fd, NULL, NULL));
    CHECK_EQ(send(operation, "a", 1, MSG_MORE), 1);
    CHECK_EQ(send(operation, "bc", 2, 0), 2);
    unsigned char digest[20];
    CHECK_EQ(read(operation, digest, sizeof digest), 20);
    CHECK(digest[0] == 0xa9 && digest[19] == 0x9d);
    say("sha1 %016lx", (unsigned long)hash(digest, sizeof digest));
    return 0;
}
