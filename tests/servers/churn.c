// Does a little of everything for some seconds and keeps nothing: whoever watches it must not need
// more memory after an hour than after a minute. Usage: churn SECONDS
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned long sum;
static volatile sig_atomic_t caught;

static void must(int ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void *thread(void *argument) {
    return argument;
}

static void handler(int number) {
    caught += number;
}

static void files(void) {
    char bytes[512];
    int fd = open("/proc/self/stat", O_RDONLY);
    must(fd >= 0, "open");
    sum += (unsigned long)read(fd, bytes, sizeof bytes);
    struct stat stat;
    must(fstat(fd, &stat) == 0, "fstat");
    close(fd);
    fd = open("churn.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0, "open");
    must(write(fd, bytes, sizeof bytes) == sizeof bytes, "write");
    close(fd);
    must(unlink("churn.tmp") == 0, "unlink");
}

static void sockets(void) {
    int ends[2];
    char bytes[2000] = {0};
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    for (int i = 0; i < 4; i++) {
        must(getrandom(bytes, sizeof bytes, 0) == sizeof bytes, "getrandom");
        must(write(ends[0], bytes, sizeof bytes) == sizeof bytes, "write");
        must(read(ends[1], bytes, sizeof bytes) == sizeof bytes, "read");
        sum += (unsigned char)bytes[i];
    }
    close(ends[0]);
    close(ends[1]);
}

static void memory(void) {
    char *private = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(private != MAP_FAILED, "mmap");
    memset(private, 1, 1 << 16);
    must(mprotect(private, 4096, PROT_READ) == 0, "mprotect");
    must(munmap(private, 1 << 20) == 0, "munmap");
    char *shared = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(shared != MAP_FAILED, "mmap");
    shared[5] = 1;
    must(munmap(shared, 1 << 16) == 0, "munmap");
    int fd = open("/proc/self/exe", O_RDONLY);
    must(fd >= 0, "open");
    void *file = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    must(file != MAP_FAILED, "mmap");
    close(fd);
    must(munmap(file, 4096) == 0, "munmap");
}

static void tasks(void) {
    pthread_t id;
    must(pthread_create(&id, NULL, thread, NULL) == 0, "pthread_create");
    must(pthread_join(id, NULL) == 0, "pthread_join");
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        execl("/proc/self/exe", "churn", "0", (char *)NULL);
        _exit(127);
    }
    int status;
    must(waitpid(child, &status, 0) == child && status == 0, "waitpid");
    must(kill(getpid(), SIGUSR1) == 0, "kill");
}

int main(int argc, char **argv) {
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 1);
    if (argc > 1 && strcmp(argv[1], "0") == 0)
        return 0;
    signal(SIGUSR1, handler);
    unsigned long rounds = 0;
    while (time(NULL) < end) {
        struct timespec now;
        for (int i = 0; i < 100; i++) {
            clock_gettime(CLOCK_MONOTONIC, &now);
            sum += (unsigned long)now.tv_nsec + (unsigned long)syscall(SYS_gettid);
        }
        files();
        sockets();
        memory();
        tasks();
        rounds++;
    }
    printf("%lu rounds, %d caught, sum %lu\n", rounds, (int)caught, sum);
    return 0;
}
