/* A server whose threads race. It counts and keeps texts for its clients, in Redis's words; meanwhile threads that never
 * wait add to a number without any lock, as those that serve do: what comes of it is decided by where each is stopped.
 * It is written out for every request. */
#include "../guests/guest.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define CLIENTS 1000
#define SPINNERS 2

static struct { uint64_t number; char *text; size_t length, room; } kept[CLIENTS];
static volatile uint64_t spun, served;
static int out;

static void *spins(void *argument) {
    uint64_t mixed = (uintptr_t)argument;
    for (;;) {
        for (int i = 0; i < 1000; i++) {
            mixed = mixed * 6364136223846793005ull + 1442695040888963407ull;
            if (mixed >> 62)
                spun = spun + 1;
        }
        if (mixed == 0)
            say("never");
    }
    return NULL;
}

static int answers(char *line, FILE *to) {
    unsigned id;
    char piece[64];
    if (sscanf(line, "INCR n%u", &id) == 1 && id < CLIENTS) {
        fprintf(to, ":%lu\r\n", (unsigned long)++kept[id].number);
    } else if (sscanf(line, "APPEND t%u %63s", &id, piece) == 2 && id < CLIENTS) {
        size_t more = strlen(piece);
        if (kept[id].length + more > kept[id].room) {
            kept[id].room = 2 * (kept[id].room + more);
            kept[id].text = realloc(kept[id].text, kept[id].room);
            CHECK(kept[id].text != NULL);
        }
        memcpy(kept[id].text + kept[id].length, piece, more);
        kept[id].length += more;
        fprintf(to, ":%lu\r\n", (unsigned long)kept[id].length);
    } else if (sscanf(line, "GET t%u", &id) == 1 && id < CLIENTS) {
        fprintf(to, "$%lu\r\n", (unsigned long)kept[id].length);
        fwrite(kept[id].text, 1, kept[id].length, to);
        fputs("\r\n", to);
    } else if (strncmp(line, "SHUTDOWN", 8) == 0) {
        exit(0);
    } else {
        return 0;
    }
    return 1;
}

static void *serves(void *argument) {
    int fd = (int)(intptr_t)argument;
    FILE *from = fdopen(fd, "r"), *to = fdopen(dup(fd), "w");
    CHECK(from != NULL && to != NULL);
    char line[256], seen[64];
    while (fgets(line, sizeof line, from) != NULL && answers(line, to)) {
        served = served + 1;
        int length = snprintf(seen, sizeof seen, "%lu %lu\n", (unsigned long)spun, (unsigned long)served);
        CHECK_EQ(write(out, seen, length), length);
        fflush(to);
    }
    fclose(to);
    fclose(from);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK_EQ(argc, 2);
    OK(out = open("/dev/null", O_WRONLY));
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    OK(listener);
    OK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
    struct sockaddr_in at = {AF_INET, htons(atoi(argv[1])), {INADDR_ANY}, {0}};
    OK(bind(listener, (struct sockaddr *)&at, sizeof at));
    OK(listen(listener, 100));
    pthread_t thread;
    for (uintptr_t i = 0; i < SPINNERS; i++)
        ZERO(pthread_create(&thread, NULL, spins, (void *)i));
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        OK(fd);
        OK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
        ZERO(pthread_create(&thread, NULL, serves, (void *)(intptr_t)fd));
        ZERO(pthread_detach(thread));
    }
}
