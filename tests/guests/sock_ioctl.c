/* Socket ioctls: FIONREAD, FIONBIO, FIOASYNC, interface list, flags, address, index, queue length. */
#include "net.h"
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

static volatile sig_atomic_t io;
static void on_io(int s) {
    (void)s;
    io++;
}

int main(void) {
    int e[2], on = 1, n = -1;
    tcp_pair(e);
    write_all(e[0], "abc", 3);
    OK(ioctl(e[1], FIONREAD, &n));
    CHECK_EQ(n, 3);
    OK(ioctl(e[0], SIOCOUTQ, &n));
    say("unsent or unacknowledged %d", n);
    OK(ioctl(e[1], FIONBIO, &on));
    CHECK(fcntl(e[1], F_GETFL) & O_NONBLOCK);
    char text[10];
    CHECK_EQ(read(e[1], text, 10), 3);
    FAILS(read(e[1], text, 10), EAGAIN);
    signal(SIGIO, on_io);
    OK(fcntl(e[1], F_SETOWN, getpid()));
    OK(ioctl(e[1], FIOASYNC, &on));
    write_all(e[0], "x", 1);
    while (!io)
        sleep_ms(1);
    say("SIGIO arrived");
    OK(ioctl(e[1], FIOCLEX));
    CHECK_EQ(fcntl(e[1], F_GETFD), FD_CLOEXEC);
    OK(ioctl(e[1], FIONCLEX));

    int s = OK(socket(AF_INET, SOCK_DGRAM, 0));
    struct ifreq list[16], one;
    struct ifconf conf = {.ifc_len = sizeof list};
    conf.ifc_req = list;
    OK(ioctl(s, SIOCGIFCONF, &conf));
    int count = conf.ifc_len / (int)sizeof list[0], seen = 0;
    for (int i = 0; i < count; i++) {
        say("interface %s", list[i].ifr_name);
        seen |= strcmp(list[i].ifr_name, "lo") == 0;
    }
    CHECK(seen);
    memset(&one, 0, sizeof one);
    strcpy(one.ifr_name, "lo");
    OK(ioctl(s, SIOCGIFFLAGS, &one));
    CHECK(one.ifr_flags & IFF_LOOPBACK);
    OK(ioctl(s, SIOCGIFADDR, &one));
    CHECK(((struct sockaddr_in *)&one.ifr_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    OK(ioctl(s, SIOCGIFINDEX, &one));
    int index = one.ifr_ifindex;
    OK(ioctl(s, SIOCGIFNAME, &one));
    CHECK(strcmp(one.ifr_name, "lo") == 0);
    OK(ioctl(s, SIOCGIFMTU, &one));
    say("lo is %d, mtu %d", index, one.ifr_mtu);
    OK(ioctl(s, SIOCGIFHWADDR, &one));
    OK(ioctl(s, SIOCGIFNETMASK, &one));
    strcpy(one.ifr_name, "none0");
    FAILS(ioctl(s, SIOCGIFFLAGS, &one), ENODEV);
    return 0;
}
