/* lseek with every whence, holes included. */
#include "guest.h"

int main(void) {
    int fd = OK(open("sparse", O_RDWR | O_CREAT, 0600));
    char block[4096];
    fill(block, sizeof block, 3);
    CHECK_EQ(pwrite(fd, block, sizeof block, 0), 4096);
    CHECK_EQ(pwrite(fd, block, sizeof block, 1 << 20), 4096);
    off_t end = (1 << 20) + 4096;
    CHECK_EQ(lseek(fd, 0, SEEK_END), end);
    CHECK_EQ(lseek(fd, 100, SEEK_END), end + 100);
    off_t hole = OK(lseek(fd, 0, SEEK_HOLE));
    CHECK(hole >= 4096 && hole <= end);
    off_t data = lseek(fd, hole, SEEK_DATA);
    CHECK(data > hole || errno == ENXIO);
    say("hole at %ld, data at %ld", (long)hole, (long)data);
    FAILS(lseek(fd, end, SEEK_DATA), ENXIO);
    FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
    FAILS(lseek(fd, 0, 99), EINVAL);
    int pipes[2];
    OK(pipe(pipes));
    FAILS(lseek(pipes[0], 0, SEEK_CUR), ESPIPE);
    OK(lseek(fd, 4000, SEEK_SET));
    char across[200];
    CHECK_EQ(read(fd, across, sizeof across), 200);
    CHECK(memcmp(across, block + 4000, 96) == 0 && across[96] == 0 && across[199] == 0);
    say("across the edge %016lx", (unsigned long)hash(across, sizeof across));
    return 0;
}
