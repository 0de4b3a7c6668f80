/* Unix stream sockets bound in the filesystem, between processes; peer credentials. */
#include "net.h"

int main(void) {
    int server = OK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "socket"};
    OK(bind(server, (struct sockaddr *)&a, sizeof a));
    FAILS(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof a), ECONNREFUSED);
    OK(listen(server, 4));
    struct stat st;
    OK(stat("socket", &st));
    CHECK(S_ISSOCK(st.st_mode));
    pid_t pid = OK(fork());
    if (pid == 0) {
        int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
        OK(connect(fd, (struct sockaddr *)&a, sizeof a));
        write_all(fd, "from the child", 14);
        char text[50];
        CHECK_EQ(read(fd, text, sizeof text), 15);
        _exit(0);
    }
    struct sockaddr_un peer;
    socklen_t size = sizeof peer;
    int fd = OK(accept(server, (struct sockaddr *)&peer, &size));
    CHECK_EQ(size, sizeof(sa_family_t));
    struct ucred cred;
    size = sizeof cred;
    OK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size));
    CHECK(cred.pid == pid && cred.uid == geteuid() && cred.gid == getegid());
    say("peer pid %d", cred.pid);
    char text[50];
    read_exactly(fd, text, 14);
    CHECK(memcmp(text, "from the child", 14) == 0);
    write_all(fd, "from the parent", 15);
    expect_exit(pid, 0);
    CHECK_EQ(read(fd, text, 1), 0);
    OK(unlink("socket"));
    FAILS(connect(OK(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&a, sizeof a), ENOENT);
    return 0;
}
