/* Files under /sys and /etc, read whole, byte by byte, and through stdio. */
#include "guest.h"
#include <sys/utsname.h>

static void show(const char *path) {
    char text[4096];
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        say("%s: errno %d", path, errno);
        return;
    }
    size_t n = read_to_end(fd, text, sizeof text);
    say("%s: %zu bytes %016lx", path, n, (unsigned long)hash(text, n));
    OK(close(fd));
}

int main(void) {
    show("/sys/devices/system/cpu/online");
    show("/sys/kernel/mm/transparent_hugepage/enabled");
    show("/sys/class/net/lo/mtu");
    show("/sys/class/net/lo/address");
    show("/proc/sys/kernel/random/uuid");
    show("/proc/sys/kernel/random/boot_id");
    show("/proc/sys/kernel/pid_max");
    show("/proc/net/tcp");
    show("/proc/net/dev");
    show("/proc/self/net/unix");
    show("/etc/passwd");
    show("/etc/localtime");
    int fd = OK(open("/proc/sys/kernel/osrelease", O_RDONLY));
    char release[256] = {0};
    for (unsigned i = 0; i < sizeof release - 1; i++)
        if (OK(read(fd, release + i, 1)) == 0)
            break;
    struct utsname u;
    OK(uname(&u));
    CHECK(strncmp(release, u.release, strlen(u.release)) == 0);
    say("release %s", u.release);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    CHECK(n >= 1);
    say("processors %ld", n);
    FILE *f = fopen("/proc/self/mounts", "r");
    CHECK(f);
    char line[8192];
    uint64_t sum = 0;
    int lines = 0;
    while (fgets(line, sizeof line, f)) {
        sum = sum * 31 + hash(line, strlen(line));
        lines++;
    }
    CHECK(lines > 0);
    say("%d mounts %016lx", lines, (unsigned long)sum);
    return 0;
}
