/* Four megabytes over TCP loopback from a thread, so that both ends block and go on many times. */
#include "net.h"

enum { SIZE = 4 << 20 };
static char *data;
static int ends[2];

static void *sender(void *unused) {
    (void)unused;
    write_all(ends[0], data, SIZE);
    OK(shutdown(ends[0], SHUT_WR));
    return NULL;
}

int main(void) {
    data = malloc(SIZE);
    char *back = malloc(SIZE);
    CHECK(data && back);
    fill(data, SIZE, 4);
    tcp_pair(ends);
    pthread_t t;
    ZERO(pthread_create(&t, NULL, sender, NULL));
    size_t at = 0;
    uint64_t shapes = 0;
    int reads = 0;
    ssize_t n;
    while ((n = OK(recv(ends[1], back + at, SIZE - at, 0))) > 0) {
        at += (size_t)n;
        shapes = shapes * 31 + (uint64_t)n;
        reads++;
        if (at == SIZE)
            break;
    }
    CHECK_EQ(at, SIZE);
    CHECK(memcmp(data, back, SIZE) == 0);
    say("%d reads, shapes %016lx", reads, (unsigned long)shapes);
    ZERO(pthread_join(t, NULL));
    CHECK_EQ(recv(ends[1], back, 1, 0), 0);
    return 0;
}
