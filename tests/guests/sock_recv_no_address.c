/* recvfrom without room for an address, but with a length: the length stays what it is, and is not looked at. */
#include "guest.h"
#include <sys/socket.h>

int main(void) {
    int s[2];
    char got[16];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    for (int i = 0; i < 20; i++) {
        socklen_t room = (socklen_t)(100 + i);
        CHECK_EQ(write(s[0], "hello", 5), 5);
        CHECK_EQ(recvfrom(s[1], got, sizeof got, 0, NULL, &room), 5);
        CHECK_EQ(room, (socklen_t)(100 + i));
        CHECK_EQ(write(s[0], "again", 5), 5);
        /* Not even if there is nothing. */
        CHECK_EQ(recvfrom(s[1], got, sizeof got, 0, NULL, (socklen_t *)8), 5);
        FAILS(recvfrom(s[1], got, sizeof got, MSG_DONTWAIT, NULL, &room), EAGAIN);
        FAILS(recvfrom(500, got, sizeof got, 0, NULL, &room), EBADF);
        CHECK_EQ(room, (socklen_t)(100 + i));
    }
    say("%016lx", (unsigned long)hash(got, 5));
    return 0;
}
