/* A pipeline of four processes as a shell builds it, each stage transforming what flows through. */
#include "guest.h"

int main(void) {
    enum { STAGES = 4, LINES = 200 };
    int previous = -1;
    pid_t pids[STAGES];
    int out[2];
    for (int i = 0; i < STAGES; i++) {
        OK(pipe(out));
        pids[i] = OK(fork());
        if (pids[i] == 0) {
            OK(close(out[0]));
            OK(dup2(out[1], 1));
            OK(close(out[1]));
            if (previous >= 0) {
                OK(dup2(previous, 0));
                OK(close(previous));
                FILE *in = fdopen(0, "r");
                char line[256];
                while (fgets(line, sizeof line, in)) {
                    line[strcspn(line, "\n")] = 0;
                    printf("%s-%d\n", line, i);
                }
            } else {
                for (int k = 0; k < LINES; k++)
                    printf("%d", k), putchar('\n');
            }
            fflush(stdout);
            _exit(i);
        }
        OK(close(out[1]));
        if (previous >= 0)
            OK(close(previous));
        previous = out[0];
    }
    char *text = malloc(100000);
    size_t n = read_to_end(previous, text, 99999);
    text[n] = 0;
    CHECK(strstr(text, "\n199-1-2-3\n"));
    for (int i = 0; i < STAGES; i++)
        expect_exit(pids[i], i);
    say("%zu bytes %016lx", n, (unsigned long)hash(text, n));
    return 0;
}
