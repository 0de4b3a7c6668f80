/* A file that shrinks while it is mapped, private and shared: SIGBUS where its pages were, and again data later. */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf out;
static volatile int code;
static void on_bus(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    code = info->si_code;
    siglongjmp(out, 1);
}

static int readable(volatile char *p) {
    if (sigsetjmp(out, 1))
        return -1;
    return *p;
}

int main(void) {
    handle(SIGBUS, on_bus, 0);
    static char data[4 * 4096];
    memset(data, 'd', sizeof data);
    static const int kinds[] = {MAP_SHARED, MAP_PRIVATE};
    for (int i = 0; i < 2; i++) {
        make_file("f", data, sizeof data);
        int fd = OK(open("f", O_RDWR));
        char *p = OK(mmap(NULL, sizeof data, PROT_READ | PROT_WRITE, kinds[i], fd, 0));
        CHECK_EQ(readable(p + 3 * PAGE), 'd');
        p[PAGE] = 'w';
        OK(ftruncate(fd, (off_t)PAGE + 100));
        CHECK_EQ(readable(p), 'd');
        /* A page of one's own goes, too. */
        CHECK_EQ(readable(p + 2 * PAGE), -1);
        CHECK_EQ(code, BUS_ADRERR);
        CHECK_EQ(readable(p + 3 * PAGE), -1);
        int rest = readable(p + PAGE + 200);
        CHECK_EQ(readable(p + PAGE), 'w');
        OK(ftruncate(fd, (off_t)sizeof data));
        CHECK_EQ(readable(p + 3 * PAGE), 0);
        OK(pwrite(fd, "new", 3, (off_t)(3 * PAGE)));
        CHECK_EQ(readable(p + 3 * PAGE), 'n');
        say("%s: behind the new end %d, at %p", i ? "private" : "shared", rest, (void *)p);
        OK(munmap(p, sizeof data));
        OK(close(fd));
    }
    return 0;
}
