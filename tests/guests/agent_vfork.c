/* Children that have their parent's memory, and so its agent, but not its descriptors: what the child learns of its
 * numbers is not true of the parent's. */
#include "guest.h"

enum { ROUNDS = 8, NUMBER = 70, SIGNALS = 32 };

static char *map;
static volatile pid_t seen;

/* In the child: its handlers and masks, its id, and a file of the parent's number. */
__attribute__((noinline)) static void child(int plain, int i) {
    struct sigaction action = {.sa_handler = i % 2 ? SIG_IGN : SIG_DFL};
    for (int s = 1; s < SIGNALS; s++)
        if (s != SIGKILL && s != SIGSTOP)
            OK(sigaction(s, &action, NULL));
    sigset_t set;
    sigfillset(&set);
    OK(sigprocmask(SIG_SETMASK, &set, NULL));
    seen = getpid();
    umask(i % 2 ? 077 : 022);
    struct stat st;
    OK(stat("mapped", &st));
    OK(dup2(plain, NUMBER));
    for (int j = 0; j < 3; j++) {
        char text[16] = "in the child";
        CHECK_EQ(pwrite(NUMBER, text, sizeof text, j * 16), sizeof text);
        CHECK_EQ(pread(NUMBER, text, sizeof text, j * 16), sizeof text);
        OK(fcntl(NUMBER, F_GETFD));
        OK(fstat(NUMBER, &st));
    }
    int other = OK(open("/dev/null", O_WRONLY));
    CHECK_EQ(write(other, "x", 1), 1);
    OK(close(other));
}

static void handler(int signal_number) {
    (void)signal_number;
}

int main(void) {
    umask(022);
    int plain = OK(open("plain", O_RDWR | O_CREAT | O_TRUNC, 0600));
    int fd = OK(open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600));
    OK(ftruncate(fd, (off_t)PAGE));
    map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    for (int i = 0; i < ROUNDS; i++) {
        struct sigaction action = {.sa_handler = handler}, after;
        OK(sigaction(SIGUSR1, &action, NULL));
        CHECK_EQ(dup2(fd, NUMBER), NUMBER);
        pid_t pid = vfork();
        if (pid == 0) {
            child(plain, i);
            _exit(i);
        }
        CHECK(pid > 0 && seen == pid);
        expect_exit(pid, i);
        /* What the parent has is as it was. */
        OK(sigaction(SIGUSR1, NULL, &after));
        CHECK(after.sa_handler == handler);
        CHECK_EQ(umask(022), 022);
        char text[32];
        int len = snprintf(text, sizeof text, "round %d", i);
        for (int j = 0; j < 3; j++) {
            CHECK_EQ(pwrite(NUMBER, text, (size_t)len, j * 32), len);
            CHECK(memcmp(map + j * 32, text, (size_t)len) == 0);
            say("child %d, %.*s, %016lx", (int)pid, len, map + j * 32, (unsigned long)hash(map, PAGE));
        }
        OK(close(NUMBER));
    }
    return 0;
}
