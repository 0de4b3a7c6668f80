/* exec with 200 KB of arguments and environment, checked by hash on the other side. */
#include "guest.h"

extern char **environ;
enum { COUNT = 400, LENGTH = 250 };

static uint64_t sum(char *const *list) {
    uint64_t h = 0;
    for (; *list; list++)
        h = h * 31 + hash(*list, strlen(*list));
    return h;
}

int main(int argc, char **argv) {
    if (argc > 1) {
        CHECK_EQ(argc, COUNT + 2);
        char want[32];
        snprintf(want, sizeof want, "%016lx", (unsigned long)sum(argv + 2));
        CHECK(strcmp(want, argv[1]) == 0);
        snprintf(want, sizeof want, "%016lx", (unsigned long)sum(environ + 1));
        CHECK(strcmp(want, environ[0] + 4) == 0);
        say("%d arguments arrived, environment %s", argc, want);
        return 0;
    }
    char **arguments = calloc(COUNT + 3, sizeof *arguments), **environment = calloc(COUNT + 2, sizeof *environment);
    char first[32], second[32];
    for (int i = 0; i < COUNT; i++) {
        arguments[i + 2] = malloc(LENGTH + 1);
        environment[i + 1] = malloc(LENGTH + 1);
        for (int k = 0; k < LENGTH; k++) {
            arguments[i + 2][k] = (char)('a' + (i * 7 + k) % 26);
            environment[i + 1][k] = (char)('A' + (i * 5 + k * 3) % 26);
        }
        environment[i + 1][10] = '=';
        arguments[i + 2][LENGTH] = environment[i + 1][LENGTH] = 0;
    }
    snprintf(first, sizeof first, "%016lx", (unsigned long)sum(arguments + 2));
    snprintf(second, sizeof second, "SUM=%016lx", (unsigned long)sum(environment + 1));
    arguments[0] = argv[0];
    arguments[1] = first;
    environment[0] = second;
    say("%s %s", first, second);
    execve("/proc/self/exe", arguments, environment);
    return 1;
}
