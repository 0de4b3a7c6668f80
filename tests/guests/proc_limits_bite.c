/* Limits that are reached: processes, descriptors, file size, locked memory, address space, pending signals. */
#include "guest.h"
#include <sys/resource.h>

static void limit(int resource, rlim_t value) {
    struct rlimit l = {value, value};
    OK(setrlimit((__rlimit_resource_t)resource, &l));
}

static volatile int handled;
static void on_signal(int number) { handled = number; }

static void *thread(void *argument) { return argument; }

static void descriptors(void) {
    limit(RLIMIT_NOFILE, 20);
    int last = 0, fd;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        last = fd;
    CHECK(errno == EMFILE && last == 19);
    FAILS(dup(0), EMFILE);
    int p[2];
    OK(close(19));
    FAILS(pipe(p), EMFILE);
    FAILS(fcntl(0, F_DUPFD, 20), EINVAL);
    FAILS(dup2(0, 20), EBADF);
    FILE *f = fopen("/proc/self/limits", "r");
    CHECK(f);
}

static void file_size(void) {
    signal(SIGXFSZ, on_signal);
    limit(RLIMIT_FSIZE, 10000);
    int fd = OK(open("big", O_RDWR | O_CREAT, 0600));
    static char data[20000];
    CHECK_EQ(write(fd, data, sizeof data), 10000);
    CHECK_EQ(handled, 0);
    FAILS(write(fd, data, 1), EFBIG);
    CHECK_EQ(handled, SIGXFSZ);
    FAILS(ftruncate(fd, 10001), EFBIG);
    signal(SIGXFSZ, SIG_DFL);
    (void)!write(fd, data, 1);
}

static void processes(void) {
    if (getuid() == 0)
        OK(setresuid(65534, 65534, 65534));
    limit(RLIMIT_NPROC, 0);
    FAILS(fork(), EAGAIN);
    pthread_t t;
    int r = pthread_create(&t, NULL, thread, NULL);
    CHECK_EQ(r, EAGAIN);
}

static void address_space(void) {
    limit(RLIMIT_AS, 200ul << 20);
    FAILS((long)mmap(NULL, 300ul << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
    CHECK(malloc(500ul << 20) == NULL);
    void *got = malloc(1ul << 20);
    CHECK(got);
    memset(got, 1, 1ul << 20);
    say("a megabyte at %p", got);
    void *now = sbrk(0);
    FAILS((long)sbrk(400l << 20), ENOMEM);
    CHECK(sbrk(0) == now);
    pid_t pid = OK(fork());
    if (pid == 0)
        _exit(8);
    expect_exit(pid, 8);
}

static void signals(void) {
    limit(RLIMIT_SIGPENDING, 2);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    int sent = 0;
    while (sent < 10 && sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = sent}) == 0)
        sent++;
    CHECK(errno == EAGAIN);
    siginfo_t info;
    struct timespec none = {0, 0};
    int got = 0;
    while (sigtimedwait(&set, &info, &none) == SIGRTMIN) {
        CHECK_EQ(info.si_value.sival_int, got);
        got++;
    }
    CHECK_EQ(got, sent);
    say("%d queued", sent);
}

int main(void) {
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    OK(chmod(".", 0777));
    static void (*const all[])(void) = {descriptors, processes, address_space, signals, file_size};
    for (int i = 0; i < 5; i++) {
        pid_t pid = OK(fork());
        if (pid == 0) {
            all[i]();
            _exit(0);
        }
        if (i == 4)
            expect_signal(pid, SIGXFSZ);
        else
            expect_exit(pid, 0);
    }
    say("parent %d", (int)getpid());
    return 0;
}
