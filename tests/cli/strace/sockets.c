/* Talks to itself over sockets of several kinds, the same each time. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static char buf[1000];
static int one = 1;

static void internet(void) {
	int number, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
	struct sockaddr_storage peer;
	socklen_t len = sizeof address;
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, 4);
	bind(listener, (void *)&address, sizeof address);
	listen(listener, 5);
	getsockname(listener, (void *)&address, &len);
	int client = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	connect(client, (void *)&address, sizeof address);
	len = sizeof peer;
	int server = accept4(listener, (void *)&peer, &len, SOCK_NONBLOCK);
	len = sizeof peer;
	getpeername(server, (void *)&peer, &len);
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, 4);
	len = 4;
	getsockopt(client, SOL_SOCKET, SO_ERROR, &number, &len);
	struct linger linger = {1, 2};
	setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	len = sizeof linger;
	getsockopt(client, SOL_SOCKET, SO_LINGER, &linger, &len);
	struct timeval timeout = {1, 5};
	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	setsockopt(client, 12345, 6, &one, 4);
	setsockopt(client, SOL_SOCKET, 999, &one, 4);
	setsockopt(client, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
	send(client, "hello", 5, MSG_NOSIGNAL);
	recv(server, buf, 100, MSG_WAITALL & 0);
	recv(server, buf, 100, MSG_DONTWAIT);
	struct iovec out = {"message", 7}, in = {buf, sizeof buf}, first = {buf, 4}, second = {buf + 10, 100};
	struct msghdr sent = {NULL, 0, &out, 1, NULL, 0, 0}, received = {&peer, sizeof peer, &in, 1, buf + 500, 100, 0};
	sendmsg(client, &sent, 0);
	recvmsg(server, &received, 0);
	struct mmsghdr two[2] = {{{NULL, 0, &out, 1, NULL, 0, 0}, 0}, {{NULL, 0, &out, 1, NULL, 0, 0}, 0}};
	sendmmsg(client, two, 2, 0);
	struct mmsghdr parts[2] = {{{NULL, 0, &first, 1, NULL, 0, 0}, 0}, {{NULL, 0, &second, 1, NULL, 0, 0}, 0}};
	CALL(recvmmsg, server, parts, 2, MSG_DONTWAIT, NULL);
	CALL(recvmmsg, server, parts, 2, MSG_DONTWAIT, NULL);
	shutdown(client, SHUT_WR);
	shutdown(client, 7);
	struct ifreq interface;
	memset(&interface, 0, sizeof interface);
	strcpy(interface.ifr_name, "lo");
	ioctl(listener, SIOCGIFINDEX, &interface);
	ioctl(listener, SIOCGIFMTU, &interface);
	ioctl(listener, SIOCGIFADDR, &interface);
	int six = socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP);
	struct sockaddr_in6 address6 = {AF_INET6, htons(9), 5, in6addr_loopback, 0};
	connect(six, (void *)&address6, sizeof address6);
}

static void local(void) {
	struct sockaddr_un path = {AF_UNIX, "socket"}, abstract = {AF_UNIX, ""};
	struct sockaddr_storage peer;
	socklen_t len;
	int named = socket(AF_UNIX, SOCK_DGRAM, 0), other = socket(AF_UNIX, SOCK_DGRAM, 0), pair[2];
	bind(named, (void *)&path, sizeof path);
	connect(other, (void *)&path, sizeof(short) + strlen(path.sun_path) + 1);
	sendto(other, "datagram", 8, 0, (void *)&path, sizeof path);
	len = sizeof peer;
	recvfrom(named, buf, 100, 0, (void *)&peer, &len);
	len = sizeof peer;
	getsockname(named, (void *)&peer, &len);
	len = 2;
	getsockname(other, (void *)&peer, &len);
	strcpy(abstract.sun_path + 1, "nobody is here");
	connect(other, (void *)&abstract, sizeof(short) + 15);
	struct sockaddr bad = {77, "abcdefghijk"};
	connect(other, &bad, sizeof bad);
	connect(other, (void *)8, 16);
	connect(other, NULL, 0);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(8)];
	} control;
	struct iovec out = {"message", 7}, in = {buf, sizeof buf};
	struct msghdr sent = {NULL, 0, &out, 1, &control, sizeof control, 0}, received = {NULL, 0, &in, 1, buf + 500, 100, 0};
	control.head.cmsg_len = CMSG_LEN(8);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	((int *)CMSG_DATA(&control.head))[0] = named;
	((int *)CMSG_DATA(&control.head))[1] = other;
	sendmsg(pair[0], &sent, 0);
	recvmsg(pair[1], &received, 0);
	setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &one, 4);
	send(pair[0], "x", 1, 0);
	received.msg_controllen = 100;
	recvmsg(pair[1], &received, MSG_CMSG_CLOEXEC);
	recvmsg(pair[1], &received, MSG_DONTWAIT);
	unlink("socket");
}

static void rarer(void) {
	int fd = socket(AF_INET, SOCK_DGRAM, 0), other = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error, pair[2];
	struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
	socklen_t len = sizeof address;
	bind(fd, (void *)&address, len);
	getsockname(fd, (void *)&address, &len);
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &one, 4);
	setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, 4);
	setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &one, 4);
	setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &one, 4);
	union {
		struct cmsghdr head;
		char bytes[200];
	} control;
	struct iovec out = {"message", 7}, in = {buf, sizeof buf};
	struct msghdr sent = {&address, sizeof address, &out, 1, &control, CMSG_SPACE(4), 0};
	struct msghdr received = {NULL, 0, &in, 1, buf + 500, 200, 0};
	control.head = (struct cmsghdr){CMSG_LEN(4), IPPROTO_IP, IP_TTL};
	memset(CMSG_DATA(&control.head), 0, 4);
	*CMSG_DATA(&control.head) = 77;
	sendmsg(fd, &sent, 0);
	recvmsg(fd, &received, 0);
	one = 0;
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &one, 4);
	one = 1;
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, 4);
	sendmsg(fd, &sent, 0);
	received.msg_controllen = 20;
	recvmsg(fd, &received, 0);
	sendmsg(fd, &sent, 0);
	received.msg_controllen = 50;
	recvmsg(fd, &received, 0);
	address.sin_port = htons(1);
	connect(other, (void *)&address, sizeof address);
	len = 4;
	getsockopt(other, SOL_SOCKET, SO_ERROR, &error, &len);
	len = 0;
	getsockopt(other, SOL_SOCKET, SO_TYPE, &error, &len);
	len = 2;
	getsockopt(other, SOL_SOCKET, SO_TYPE, &error, &len);
	socketpair(AF_INET, SOCK_DGRAM, 0, pair);
	socketpair(AF_UNIX, SOCK_DGRAM, 5, pair);
	socket(AF_INET, SOCK_RAW | 0x10000, 0);
	unsigned char packet[20] = {17, 0, 0, 3, 1, 0, 0, 0, 4, 3, 0, 6, 1, 2, 3, 0xab, 5, 6, 0, 0};
	bind(other, (void *)packet, sizeof packet);
}

int main(int argc, char **argv) {
	if (argc > 1) {
		(void)argv;
		rarer();
		return 0;
	}
	internet();
	local();
	return 0;
}
