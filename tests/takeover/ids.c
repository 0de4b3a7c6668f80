/* Gives up its rights, and goes on with files that it may still use, mapped too. */
#include "../guests/guest.h"
#include <grp.h>

int main(void) {
    int file = OK(open("mapped", O_CREAT | O_RDWR, 0666));
    OK(fchmod(file, 0666));
    OK(ftruncate(file, 8192));
    OK(chown(".", 65534, 65534));
    OK(setgroups(0, NULL));
    OK(setgid(65534));
    OK(setuid(65534));
    char *shared = OK(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    for (int i = 0; i < 8; i++) {
        shared[i * 1000] = (char)('a' + i);
        OK(usleep(100));
    }
    char *own = OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 4096));
    own[0] = 'x';
    int other = OK(open("made", O_CREAT | O_WRONLY, 0600));
    OK(write(other, shared, 3000));
    FAILS(setuid(0), EPERM);
    OK(msync(shared, 8192, MS_SYNC));
    say("%d %d %c", (int)getuid(), (int)getgid(), shared[7000]);
    return 0;
}
