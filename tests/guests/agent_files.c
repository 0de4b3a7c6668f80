/* Files are opened for writing, made, copied, renamed, described and removed so often that no call for that
 * stops any more; among them some whose content is mapped, is another's memory, or is shown. */
#include "guest.h"
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <termios.h>

enum { ROUNDS = 6 };

static char *name(const char *what, int i) {
    static char names[4][64];
    static int next;
    char *to = names[next++ % 4];
    snprintf(to, sizeof names[0], "%s-%d", what, i);
    return to;
}

static uint64_t content(const char *path) {
    char bytes[20000];
    int fd = OK(open(path, O_RDONLY));
    ssize_t len = OK(read(fd, bytes, sizeof bytes));
    OK(close(fd));
    return hash(bytes, (size_t)len);
}

static void made_and_copied(void) {
    char data[10000];
    struct stat st;
    OK(mkdir("dir", 0700));
    for (int i = 0; i < ROUNDS; i++) {
        fill(data, sizeof data, (unsigned)i);
        int from = OK(open(name("from", i), O_RDWR | O_CREAT | O_EXCL, 0600));
        CHECK_EQ(write(from, data, sizeof data), sizeof data);
        FAILS(open(name("from", i), O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
        FAILS(open("nowhere/at-all", O_WRONLY | O_CREAT, 0600), ENOENT);
        FAILS(open("dir", O_WRONLY), EISDIR);
        int to = OK(openat(AT_FDCWD, name("dir/to", i), O_WRONLY | O_CREAT | O_EXCL, 0640));
        OK(lseek(from, 0, SEEK_SET));
        ZERO(posix_fadvise(from, 0, 0, POSIX_FADV_SEQUENTIAL));
        CHECK(ioctl(to, 0x40049409 /* FICLONE */, -1) == -1);
        ssize_t n = copy_file_range(from, NULL, to, NULL, SSIZE_MAX / 2, 0);
        if (n < 0)
            n = sendfile(to, from, NULL, sizeof data);
        CHECK_EQ(n, sizeof data);
        FAILS(read(to, data, 1), EBADF);
        FAILS(copy_file_range(to, NULL, from, NULL, 10, 0), EBADF);
        OK(fchmod(to, 0600));
        OK(fchown(to, (uid_t)-1, (gid_t)-1));
        struct timespec times[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 2000, .tv_nsec = i}};
        OK(futimens(to, times));
        OK(close(to)), OK(close(from));
        OK(stat(name("dir/to", i), &st));
        CHECK(st.st_mode == (S_IFREG | 0600) && st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == i);
        say("copy %d: %016lx, inode %ld", i, (unsigned long)content(name("dir/to", i)), (long)st.st_ino);
    }
}

static void named(void) {
    char target[64];
    for (int i = 0; i < ROUNDS; i++) {
        OK(rename(name("from", i), name("dir/from", i)));
        OK(renameat(AT_FDCWD, name("dir/from", i), AT_FDCWD, name("from", i)));
        OK(renameat2(AT_FDCWD, name("from", i), AT_FDCWD, name("dir/to", i), RENAME_EXCHANGE));
        FAILS(rename(name("nothing", i), "other"), ENOENT);
        OK(link(name("from", i), name("twin", i)));
        OK(linkat(AT_FDCWD, name("from", i), AT_FDCWD, name("third", i), 0));
        FAILS(link(name("from", i), name("twin", i)), EEXIST);
        OK(symlink(name("from", i), name("points", i)));
        OK(symlinkat(name("from", i), AT_FDCWD, name("points-too", i)));
        CHECK_EQ(readlink(name("points", i), target, sizeof target), 6);
        CHECK(memcmp(target, name("from", i), 6) == 0);
        OK(chmod(name("twin", i), 0400));
        OK(fchmodat(AT_FDCWD, name("twin", i), 0440, 0));
        OK(chown(name("twin", i), (uid_t)-1, (gid_t)-1));
        OK(lchown(name("points", i), (uid_t)-1, (gid_t)-1));
        OK(fchownat(AT_FDCWD, name("twin", i), (uid_t)-1, (gid_t)-1, 0));
        OK(utimensat(AT_FDCWD, name("twin", i), NULL, 0));
        FAILS(utimensat(AT_FDCWD, name("nothing", i), NULL, 0), ENOENT);
        FAILS(chmod((char *)16, 0400), EFAULT);
        OK(i % 2 ? mkdir(name("new", i), 0700) : mkdirat(AT_FDCWD, name("new", i), 0700));
        FAILS(mkdir(name("new", i), 0700), EEXIST);
        FAILS(rmdir("dir"), ENOTEMPTY);
        OK(rmdir(name("new", i)));
        OK(unlink(name("twin", i))), OK(unlink(name("points", i))), OK(unlink(name("points-too", i)));
        OK(unlinkat(AT_FDCWD, name("third", i), 0));
        FAILS(unlink(name("twin", i)), ENOENT);
    }
}

static void told(void) {
    char path[PATH_MAX];
    struct utsname uts;
    struct sysinfo info;
    struct statfs fs;
    struct rlimit limit;
    struct termios tty;
    int fd = OK(open("told", O_RDWR | O_CREAT | O_TRUNC, 0600));
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(getcwd(path, sizeof path) == path);
        CHECK(getcwd(path + 1, 1) == NULL && errno == ERANGE);
        OK(uname(&uts)), OK(sysinfo(&info)), OK(statfs(".", &fs)), OK(fstatfs(fd, &fs));
        FAILS(statfs("nothing", &fs), ENOENT);
        OK(getrlimit(RLIMIT_NOFILE, &limit)), OK(syscall(SYS_getrlimit, RLIMIT_STACK, &limit));
        FAILS(ioctl(fd, TCGETS, &tty), ENOTTY);
        OK(ioctl(fd, FIOCLEX));
        CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
        OK(ioctl(fd, FIONCLEX));
        CHECK_EQ(fcntl(fd, F_GETFD), 0);
        OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
        CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
        CHECK_EQ(umask(i % 2 ? 077 : 022), i == 0 ? 022 : i % 2 ? 022 : 077);
        OK(faccessat(AT_FDCWD, "told", R_OK, AT_EACCESS));
        say("up %ld, %lu free, %lu blocks, in %s", info.uptime, info.freeram, (unsigned long)fs.f_bfree, path);
    }
    OK(close(fd));
}

/* What is written to a file that is mapped shows, whoever opens it, and however. */
static void mapped(int flags) {
    char text[PAGE];
    int fd = OK(open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600));
    OK(ftruncate(fd, (off_t)PAGE));
    char *map = mmap(NULL, PAGE, PROT_READ | (flags & MAP_SHARED ? PROT_WRITE : 0), flags, fd, 0);
    CHECK(map != MAP_FAILED);
    OK(close(fd));
    for (int i = 0; i < ROUNDS; i++) {
        memset(text, 'a' + i, sizeof text);
        fd = OK(open("mapped", i % 2 ? O_WRONLY : O_RDWR | O_CREAT, 0600));
        for (int j = 0; j < 4; j++)
            CHECK_EQ(pwrite(fd, text, 1000, j * 1000), 1000);
        OK(close(fd));
        CHECK_EQ(map[3999], 'a' + i);
        say("mapped: %016lx", (unsigned long)hash(map, PAGE));
        fd = OK(open("mapped", O_WRONLY | O_TRUNC));
        CHECK_EQ(write(fd, text, 100), 100);
        OK(close(fd));
        CHECK(map[99] == 'a' + i && map[100] == 0);
        say("cut: %016lx", (unsigned long)hash(map, PAGE));
        OK(truncate("mapped", (off_t)PAGE));
        /* A copy that the kernel makes. */
        fd = OK(open("mapped", O_WRONLY));
        int from = OK(open("told", O_RDWR | O_CREAT | O_TRUNC, 0600));
        memset(text, 'A' + i, sizeof text);
        CHECK_EQ(write(from, text, 500), 500);
        off_t at = 0;
        CHECK_EQ(sendfile(fd, from, &at, 500), 500);
        OK(close(from)), OK(close(fd));
        CHECK_EQ(map[499], 'A' + i);
        say("copied: %016lx", (unsigned long)hash(map, PAGE));
    }
    OK(munmap(map, PAGE));
    OK(unlink("mapped"));
}

/* A file is mapped while it is open for writing by calls that stopped nowhere. */
static void mapped_meanwhile(int flags) {
    for (int i = 0; i < ROUNDS; i++) {
        char byte = (char)('k' + i);
        int fd = OK(open(name("meanwhile", i), O_RDWR | O_CREAT | O_EXCL, 0600));
        OK(ftruncate(fd, (off_t)PAGE));
        CHECK_EQ(pwrite(fd, "before", 6, 0), 6);
        char *map = mmap(NULL, PAGE, PROT_READ, flags, fd, 0);
        CHECK(map != MAP_FAILED && map[5] == 'e');
        CHECK_EQ(pwrite(fd, &byte, 1, 5), 1);
        CHECK_EQ(map[5], byte);
        OK(close(fd));
        fd = OK(open(name("meanwhile", i), O_WRONLY));
        CHECK_EQ(pwrite(fd, "other", 5, 0), 5);
        OK(close(fd));
        say("meanwhile: %.6s", map);
        OK(munmap(map, PAGE));
        OK(unlink(name("meanwhile", i)));
    }
}

/* Another process has mapped it. */
static void mapped_elsewhere(void) {
    int ask[2], answer[2];
    char byte;
    OK(pipe(ask)), OK(pipe(answer));
    int fd = OK(open("elsewhere", O_RDWR | O_CREAT | O_TRUNC, 0600));
    OK(ftruncate(fd, (off_t)PAGE));
    pid_t pid = OK(fork());
    if (pid == 0) {
        const char *map = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
        CHECK(map != MAP_FAILED);
        for (int i = 0; i < ROUNDS; i++) {
            CHECK_EQ(write(answer[1], "x", 1), 1);
            CHECK_EQ(read(ask[0], &byte, 1), 1);
            CHECK_EQ(map[1], byte);
            say("elsewhere: %.3s", map);
        }
        _exit(0);
    }
    OK(close(fd));
    for (int i = 0; i < ROUNDS; i++) {
        char text[3] = {'<', (char)('0' + i), '>'};
        CHECK_EQ(read(answer[0], &byte, 1), 1);
        fd = OK(open("elsewhere", O_WRONLY));
        CHECK_EQ(write(fd, text, 3), 3);
        OK(close(fd));
        CHECK_EQ(write(ask[1], text + 1, 1), 1);
    }
    expect_exit(pid, 0);
}

/* Its own memory, by way of a file. */
static void memory(void) {
    static char word[16] = "unchanged";
    for (int i = 0; i < ROUNDS; i++) {
        char text[16];
        snprintf(text, sizeof text, "changed %d", i);
        int fd = OK(open("/proc/self/mem", O_RDWR));
        CHECK_EQ(pwrite(fd, text, sizeof text, (off_t)(uintptr_t)word), sizeof text);
        OK(close(fd));
        CHECK(strcmp(word, text) == 0);
        say("memory: %s", word);
    }
}

/* The standard output, by its names, and what the kernel copies to it. */
static void shown(void) {
    int flags = OK(fcntl(STDOUT_FILENO, F_GETFL));
    int from = OK(open("shown", O_RDWR | O_CREAT | O_TRUNC, 0600));
    for (int i = 0; i < ROUNDS; i++) {
        int fd = OK(open(i % 2 ? "/dev/stdout" : "/proc/self/fd/1", O_WRONLY | O_APPEND));
        CHECK_EQ(write(fd, "by its name\n", 12), 12);
        OK(close(fd));
        fd = OK(open("/dev/null", O_RDWR | O_CREAT, 0600));
        CHECK_EQ(write(fd, "nobody\n", 7), 7);
        OK(close(fd));
        CHECK_EQ(pwrite(from, "by the kernel\n", 14, 0), 14);
        int to = OK(open(name("shown", i), O_WRONLY | O_CREAT | O_EXCL, 0600));
        off_t at = 0;
        CHECK_EQ(sendfile(to, from, &at, 14), 14);
        OK(close(to));
        /* Then a write never waits. */
        OK(fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK));
        CHECK_EQ(write(STDOUT_FILENO, "plainly\n", 8), 8);
        char first;
        CHECK_EQ(pread(from, &first, 1, 0), 1);
        at = 0;
        if (sendfile(STDOUT_FILENO, from, &at, 14) < 0) {
            CHECK(errno == EINVAL || errno == EAGAIN);
            CHECK_EQ(write(STDOUT_FILENO, "by the kernel\n", 14), 14);
        }
        OK(fcntl(STDOUT_FILENO, F_SETFL, flags));
    }
    OK(close(from));
}

static volatile sig_atomic_t faults;

static void on_fault(int signal_number) {
    (void)signal_number;
    faults++;
}

/* Handlers come and go; what reading the counter does to them is not seen. */
static void handled(void) {
    for (int i = 0; i < ROUNDS; i++) {
        struct sigaction action = {.sa_handler = i % 2 ? on_fault : SIG_IGN}, before;
        OK(sigaction(SIGSEGV, &action, &before));
        CHECK(before.sa_handler == (i == 0 ? SIG_DFL : i % 2 ? SIG_IGN : on_fault));
        unsigned low, high;
        __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
        struct sigaction now;
        OK(sigaction(SIGSEGV, NULL, &now));
        CHECK(now.sa_handler == action.sa_handler);
        if (i % 2) {
            OK(raise(SIGSEGV));
            CHECK_EQ(faults, i / 2 + 1);
        }
        FAILS(sigaction(SIGKILL, &action, NULL), EINVAL);
        /* The old one is stored over the new one. */
        struct {
            void (*handler)(int);
            unsigned long flags;
            void (*restorer)(void);
            unsigned long mask;
        } both = {.handler = on_fault};
        OK(syscall(SYS_rt_sigaction, SIGUSR1, &both, &both, 8));
        CHECK(both.handler == (i == 0 ? SIG_DFL : on_fault));
        say("handled %d: %x", i, low);
    }
    signal(SIGSEGV, SIG_DFL);
}

int main(void) {
    umask(022);
    made_and_copied();
    named();
    told();
    mapped(MAP_PRIVATE);
    mapped(MAP_SHARED);
    mapped_meanwhile(MAP_PRIVATE);
    mapped_meanwhile(MAP_SHARED);
    mapped_elsewhere();
    memory();
    shown();
    handled();
    return 0;
}
