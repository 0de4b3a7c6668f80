/* Route netlink: a dump of interfaces and addresses, by hand and through getifaddrs. */
#include "net.h"
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

int main(void) {
    int fd = OK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    struct sockaddr_nl me = {.nl_family = AF_NETLINK};
    OK(bind(fd, (struct sockaddr *)&me, sizeof me));
    socklen_t size = sizeof me;
    OK(getsockname(fd, (struct sockaddr *)&me, &size));
    say("netlink port %u", me.nl_pid);
    struct {
        struct nlmsghdr head;
        struct ifinfomsg info;
    } ask = {.head = {.nlmsg_len = sizeof ask, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = 7}};
    ask.info.ifi_family = AF_UNSPEC;
    CHECK_EQ(send(fd, &ask, sizeof ask, 0), sizeof ask);
    static char reply[65536] __attribute__((aligned(8)));
    int done = 0, links = 0, loopback_seen = 0;
    while (!done) {
        ssize_t n = OK(recv(fd, reply, sizeof reply, 0));
        say("%zd bytes %016lx", n, (unsigned long)hash(reply, (size_t)n));
        for (struct nlmsghdr *h = (struct nlmsghdr *)reply; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
            CHECK_EQ(h->nlmsg_seq, 7);
            if (h->nlmsg_type == NLMSG_DONE) {
                done = 1;
                break;
            }
            CHECK_EQ(h->nlmsg_type, RTM_NEWLINK);
            struct ifinfomsg *i = (struct ifinfomsg *)NLMSG_DATA(h);
            loopback_seen |= (i->ifi_flags & IFF_LOOPBACK) != 0;
            links++;
        }
    }
    CHECK(links >= 1 && loopback_seen);
    say("%d links, lo is %u", links, if_nametoindex("lo"));
    struct ifaddrs *list;
    OK(getifaddrs(&list));
    for (struct ifaddrs *i = list; i; i = i->ifa_next)
        say("%s flags %#x family %d", i->ifa_name, i->ifa_flags, i->ifa_addr ? i->ifa_addr->sa_family : -1);
    freeifaddrs(list);
    return 0;
}
