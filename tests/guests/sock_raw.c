/* Raw sockets, where allowed: an echo request to oneself, and a packet socket that sees it on the loopback interface. */
#include "net.h"
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <poll.h>

static uint16_t checksum(const void *data, size_t size) {
    const uint16_t *words = data;
    uint32_t sum = 0;
    for (size_t i = 0; i < size / 2; i++)
        sum += words[i];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

int main(void) {
    int packet = socket(AF_PACKET, SOCK_RAW, 0);
    int raw = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    if (packet < 0 || raw < 0) {
        say("not allowed, errno %d", errno);
        CHECK(errno == EPERM || errno == EACCES || errno == EAFNOSUPPORT);
        return 0;
    }
    /* Only ICMP over IPv4: what others send must not fill the queue. */
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 3),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    OK(setsockopt(packet, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
    struct sockaddr_ll on_lo = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex("lo")};
    OK(bind(packet, (struct sockaddr *)&on_lo, sizeof on_lo));
    struct {
        struct icmphdr head;
        char text[32];
    } request;
    memset(&request, 0, sizeof request);
    request.head.type = ICMP_ECHO;
    request.head.un.echo.id = (uint16_t)getpid();
    request.head.un.echo.sequence = htons(1);
    snprintf(request.text, sizeof request.text, "guest %d", (int)getpid());
    request.head.checksum = checksum(&request, sizeof request);
    struct sockaddr_in to = loopback(0);
    CHECK_EQ(sendto(raw, &request, sizeof request, 0, (struct sockaddr *)&to, sizeof to), (ssize_t)sizeof request);
    char buffer[2000];
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t n = OK(recvfrom(raw, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size));
        const struct icmphdr *h = (const struct icmphdr *)(const void *)(buffer + 20);
        if (h->type == ICMP_ECHOREPLY && h->un.echo.id == (uint16_t)getpid()) {
            CHECK_EQ(n, 20 + (ssize_t)sizeof request);
            CHECK(strcmp(buffer + 28, request.text) == 0);
            break;
        }
    }
    /* Both ways are seen twice, as outgoing and as incoming. */
    int seen = 0;
    while (seen < 4) {
        struct pollfd p = {packet, POLLIN, 0};
        CHECK_EQ(poll(&p, 1, 10000), 1);
        struct sockaddr_ll from;
        socklen_t size = sizeof from;
        ssize_t n = OK(recvfrom(packet, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size));
        if (n > 14 + 28 && strcmp(buffer + 14 + 28, request.text) == 0) {
            say("seen: type %d, %zd bytes, %016lx", from.sll_pkttype, n, (unsigned long)hash(buffer + 14, (size_t)n - 14));
            seen++;
        }
    }
    return 0;
}
