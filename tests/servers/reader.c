/* Reads much that cannot be compressed, and says how far it is: fills a disk with its recording. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static unsigned char block[64 * 1024];
    int blocks = argc > 1 ? atoi(argv[1]) : 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int n = 0; n < blocks; n++) {
        unsigned sum = 0;
        for (size_t at = 0; at < sizeof block; at += 256)
            if (getrandom(block + at, 256, 0) != 256)
                return 1;
        for (size_t at = 0; at < sizeof block; at++)
            sum = sum * 31 + block[at];
        printf("block %d: %08x\n", n, sum);
    }
    printf("all %d blocks\n", blocks);
    return 3;
}
