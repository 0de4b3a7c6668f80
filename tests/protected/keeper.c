/*
 * A server that keeps what it is told in files, in as many ways as there are to have files open.
 *
 *   keeper PORT DIRECTORY
 *
 * Request "N", from 1 on: the answer is "N", and the files have it. Request "check": what is open is
 * as it was left; the answer is "fine". Request "quit": it ends.
 */
#include "../guests/guest.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { RECORD = 16, SLOTS = 8 };

static int records, again, helper, list;
static char directory[4096], listed[256];

static void put_record(int fd, long number) {
    char record[RECORD + 1];
    snprintf(record, sizeof record, "%015ld\n", number);
    write_all(fd, record, RECORD);
}

/* Another process with the same open file, and none of the locks. */
static void help(int from) {
    long number;
    while (read(from, &number, sizeof number) == sizeof number) {
        if (number > 0) {
            put_record(records, number);
        } else {
            CHECK_EQ(OK(lseek(records, 0, SEEK_CUR)), -number * RECORD);
            struct flock range = {.l_type = F_WRLCK, .l_start = 4, .l_len = 2};
            OK(fcntl(records, F_GETLK, &range));
            CHECK_EQ(range.l_type, F_WRLCK);
            CHECK_EQ(range.l_pid, getppid());
            CHECK_EQ(range.l_start, 0);
            CHECK_EQ(range.l_len, 8);
            int other = OK(open("log", O_WRONLY));
            CHECK_EQ(flock(other, LOCK_EX | LOCK_NB), -1);
            CHECK_EQ(errno, EWOULDBLOCK);
            OK(close(other));
        }
        OK(write(from, &number, sizeof number));
    }
    _exit(0);
}

static void ask_helper(long number) {
    long answer;
    OK(write(helper, &number, sizeof number));
    CHECK_EQ(OK(read(helper, &answer, sizeof answer)), (ssize_t)sizeof answer);
    CHECK_EQ(answer, number);
}

static void keep(int log, int slots, long number) {
    char text[64], name[64], last[64];
    int len = snprintf(text, sizeof text, "%ld\n", number);
    write_all(log, text, (size_t)len);
    if (number % 3 == 0)
        ask_helper(number);
    else
        put_record(number % 3 == 1 ? records : again, number);
    char slot[RECORD + 1];
    snprintf(slot, sizeof slot, "%015ld\n", number);
    CHECK_EQ(OK(pwrite(slots, slot, RECORD, number % SLOTS * RECORD)), RECORD);
    snprintf(name, sizeof name, "new.%ld", number);
    int fd = OK(open(name, O_CREAT | O_EXCL | O_WRONLY, 0640));
    write_all(fd, text, (size_t)len);
    OK(fsync(fd));
    OK(rename(name, "current"));
    /* Through the name that it had before. */
    write_all(fd, "whole\n", 6);
    OK(close(fd));
    snprintf(name, sizeof name, "dir.%ld", number);
    snprintf(last, sizeof last, "dir.%ld", number - 1);
    OK(mkdirat(AT_FDCWD, name, 0750));
    if (number > 1)
        OK(rmdir(last));
    pid_t child = OK(fork());
    if (child == 0)
        _exit(0);
    OK(waitpid(child, NULL, 0));
    OK(symlink(text, "link.new"));
    OK(rename("link.new", "link"));
    OK(link("current", "other.new"));
    OK(unlink("other.new"));
}

static void check(int log, int removed, long rounds) {
    char here[4096];
    CHECK(getcwd(here, sizeof here) != NULL);
    CHECK_EQ(strcmp(here, directory), 0);
    CHECK_EQ(OK(fcntl(log, F_GETFL)) & (O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
    CHECK_EQ(OK(fcntl(log, F_GETFD)), FD_CLOEXEC);
    CHECK_EQ(OK(fcntl(records, F_GETFD)), 0);
    CHECK_EQ(OK(lseek(records, 0, SEEK_CUR)), rounds * RECORD);
    CHECK_EQ(OK(lseek(again, 0, SEEK_CUR)), rounds * RECORD);
    ask_helper(-rounds);
    struct stat meta;
    OK(fstat(log, &meta));
    CHECK_EQ(OK(lseek(log, 0, SEEK_CUR)), meta.st_size);
    /* The rest of a list that was begun before. */
    char names[4096];
    long got, found = 0;
    while ((got = OK(syscall(SYS_getdents64, list, names, sizeof names))) > 0)
        for (long at = 0; at < got; at += *(unsigned short *)(names + at + 16)) {
            CHECK(strcmp(names + at + 19, listed) != 0);
            found++;
        }
    CHECK(found > 0);
    /* What had no name any more is gone with the node, unless this is that node. */
    char byte;
    if (pread(removed, &byte, 1, 0) == -1)
        CHECK_EQ(errno, EBADF);
    else
        CHECK_EQ(byte, 'x');
}

int main(int argc, char **argv) {
    CHECK_EQ(argc, 3);
    strcpy(directory, argv[2]);
    OK(chdir(directory));
    int log = OK(open("log.new", O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    OK(flock(log, LOCK_EX));
    OK(rename("log.new", "log"));
    records = OK(open("records", O_CREAT | O_RDWR, 0600));
    again = OK(dup(records));
    struct flock range = {.l_type = F_WRLCK, .l_start = 0, .l_len = 8};
    OK(fcntl(records, F_SETLK, &range));
    int slots = OK(open("slots", O_RDWR));
    char old[4];
    CHECK_EQ(OK(read(slots, old, sizeof old)), (ssize_t)sizeof old);
    CHECK_EQ(memcmp(old, "old\n", 4), 0);
    CHECK_EQ(OK(lseek(slots, 0, SEEK_END)), SLOTS * RECORD);
    const char *text = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, slots, 0);
    CHECK(text != MAP_FAILED);
    CHECK_EQ(memcmp(text, "old\n", 4), 0);
    int removed = OK(open("removed", O_CREAT | O_RDWR, 0600));
    write_all(removed, "x", 1);
    OK(unlink("removed"));
    list = OK(open(".", O_RDONLY | O_DIRECTORY));
    /* Room for one. */
    char name[32];
    CHECK(OK(syscall(SYS_getdents64, list, name, sizeof name)) > 0);
    strcpy(listed, name + 19);

    int pair[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    pid_t child = OK(fork());
    if (child == 0) {
        OK(close(pair[0]));
        help(pair[1]);
    }
    OK(close(pair[1]));
    helper = pair[0];

    int listener = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    OK(bind(listener, (struct sockaddr *)&at, sizeof at));
    OK(listen(listener, 8));
    long rounds = 0;
    for (;;) {
        int client = OK(accept(listener, NULL, NULL));
        OK(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)));
        FILE *in = fdopen(client, "r");
        CHECK(in != NULL);
        char line[64];
        while (fgets(line, sizeof line, in) != NULL) {
            if (strcmp(line, "quit\n") == 0) {
                OK(close(helper));
                OK(waitpid(child, NULL, 0));
                return 0;
            }
            if (strcmp(line, "check\n") == 0) {
                check(log, removed, rounds);
                write_all(client, "fine\n", 5);
                continue;
            }
            rounds++;
            CHECK_EQ(atol(line), rounds);
            keep(log, slots, rounds);
            write_all(client, line, strlen(line));
        }
        fclose(in);
    }
}
