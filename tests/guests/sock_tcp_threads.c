/* A TCP echo server thread and several client threads in one process. */
#include "net.h"

static int server;
enum { CLIENTS = 4, ROUNDS = 20 };

static void *echo(void *argument) {
    int fd = (int)(intptr_t)argument;
    char text[512];
    ssize_t n;
    while ((n = OK(recv(fd, text, sizeof text, 0))) > 0)
        write_all(fd, text, (size_t)n);
    OK(close(fd));
    return NULL;
}

static void *serve(void *unused) {
    (void)unused;
    pthread_t t[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        int fd = OK(accept(server, (struct sockaddr *)&from, &size));
        say("accepted port %u", ntohs(from.sin_port));
        ZERO(pthread_create(&t[i], NULL, echo, (void *)(intptr_t)fd));
    }
    for (int i = 0; i < CLIENTS; i++)
        ZERO(pthread_join(t[i], NULL));
    return NULL;
}

static uint16_t port;
static void *client(void *argument) {
    int me = (int)(intptr_t)argument;
    int fd = connected(port);
    char text[512], back[512];
    for (int i = 0; i < ROUNDS; i++) {
        int n = snprintf(text, sizeof text, "client %d round %d", me, i);
        CHECK_EQ(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
        CHECK_EQ(recv(fd, back, (size_t)n, MSG_WAITALL), n);
        CHECK(memcmp(text, back, (size_t)n) == 0);
    }
    OK(shutdown(fd, SHUT_WR));
    CHECK_EQ(recv(fd, back, sizeof back, 0), 0);
    OK(close(fd));
    say("client %d done", me);
    return NULL;
}

int main(void) {
    server = listening(&port);
    say("port %u", port);
    pthread_t s, c[CLIENTS];
    ZERO(pthread_create(&s, NULL, serve, NULL));
    for (int i = 0; i < CLIENTS; i++)
        ZERO(pthread_create(&c[i], NULL, client, (void *)(intptr_t)i));
    for (int i = 0; i < CLIENTS; i++)
        ZERO(pthread_join(c[i], NULL));
    ZERO(pthread_join(s, NULL));
    return 0;
}
