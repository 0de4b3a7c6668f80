/* What /proc says about the program itself must be the same words at replay. */
#include "guest.h"
#include <dirent.h>

static char text[200000];

static size_t slurp(const char *path) {
    int fd = OK(open(path, O_RDONLY));
    size_t n = read_to_end(fd, text, sizeof text - 1);
    text[n] = 0;
    OK(close(fd));
    say("%s: %zu bytes, hash %016lx", path, n, (unsigned long)hash(text, n));
    return n;
}

int main(int argc, char **argv) {
    (void)argc;
    CHECK(slurp("/proc/self/maps") > 100);
    /* The map must tell the truth about this function. */
    unsigned long low, high;
    int found = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (sscanf(line, "%lx-%lx", &low, &high) == 2 && low <= (unsigned long)main && (unsigned long)main < high)
            found = 1;
    CHECK(found);
    CHECK(slurp("/proc/self/stat") > 20);
    CHECK_EQ(atoi(text), getpid());
    CHECK(slurp("/proc/self/status") > 100);
    char *line = strstr(text, "\nPPid:");
    CHECK(line && atoi(line + 6) == getppid());
    slurp("/proc/self/statm");
    slurp("/proc/self/auxv");
    CHECK(slurp("/proc/self/cmdline") == strlen(argv[0]) + 1);
    CHECK(strcmp(text, argv[0]) == 0);
    slurp("/proc/self/comm");
    slurp("/proc/self/limits");
    slurp("/proc/self/environ");
    slurp("/proc/self/mountinfo");
    slurp("/proc/self/smaps");
    slurp("/proc/thread-self/stat");
    slurp("/proc/uptime");
    slurp("/proc/loadavg");
    slurp("/proc/meminfo");
    slurp("/proc/stat");
    slurp("/proc/cpuinfo");
    slurp("/proc/version");
    char link[PATH_MAX] = {0};
    OK(readlink("/proc/self/exe", link, sizeof link - 1));
    struct stat a, b;
    OK(stat("/proc/self/exe", &a));
    OK(stat(link, &b));
    CHECK(a.st_ino == b.st_ino);
    say("exe ends in %s", strrchr(link, '/'));
    int fds = 0;
    DIR *dir = opendir("/proc/self/fd");
    CHECK(dir);
    struct dirent *entry;
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            fds++;
    say("%d descriptors open", fds);
    CHECK(fds >= 4);
    int mem = OK(open("/proc/self/mem", O_RDONLY));
    long secret = 0x1122334455667788, copy = 0;
    CHECK_EQ(pread(mem, &copy, sizeof copy, (off_t)(uintptr_t)&secret), sizeof copy);
    CHECK(copy == secret);
    return 0;
}
