/* A static program: threads, pipes, fork, sockets, clocks and random numbers without libc.so. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(x) do { if (!(x)) { fprintf(stderr, "line %d: %s\n", __LINE__, #x); exit(1); } } while (0)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;

static void *take_turns(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int round = 0; round < 50; round++) {
        pthread_mutex_lock(&mutex);
        while (turn % 4 != me)
            pthread_cond_wait(&changed, &mutex);
        turn++;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    return arg;
}

static void *echo(void *arg)
{
    int client = accept(*(int *)arg, NULL, NULL);
    char buffer[256];
    ssize_t got;
    CHECK(client >= 0);
    while ((got = read(client, buffer, sizeof buffer)) > 0)
        CHECK(write(client, buffer, (size_t)got) == got);
    close(client);
    return NULL;
}

int main(void)
{
    pthread_t threads[4], server;
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, take_turns, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(turn == 200);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 4) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    CHECK(pthread_create(&server, NULL, echo, &listener) == 0);
    CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    for (int i = 0; i < 100; i++) {
        char sent[64], got[64] = "";
        int size = snprintf(sent, sizeof sent, "message %d", i);
        CHECK(write(client, sent, (size_t)size) == size);
        CHECK(read(client, got, sizeof got) == size && strcmp(sent, got) == 0);
    }
    close(client);
    CHECK(pthread_join(server, NULL) == 0);

    int pipe_ends[2], status;
    CHECK(pipe(pipe_ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dprintf(pipe_ends[1], "child %d of %d", getpid(), getppid());
        _exit(9);
    }
    char line[64] = "";
    CHECK(read(pipe_ends[0], line, sizeof line - 1) > 0);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);

    uint64_t random;
    struct timespec now;
    CHECK(getrandom(&random, sizeof random, 0) == sizeof random);
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    void *heap[200];
    for (int i = 0; i < 200; i++)
        CHECK((heap[i] = malloc((size_t)(i * i) + 1)) != NULL);
    printf("port %d, %s, random %llx, now %lld.%09ld, heap %p %p, stack %p\n", ntohs(address.sin_port),
           line, (unsigned long long)random, (long long)now.tv_sec, now.tv_nsec, heap[0], heap[199],
           (void *)line);
    for (int i = 0; i < 200; i++)
        free(heap[i]);
    return 0;
}
