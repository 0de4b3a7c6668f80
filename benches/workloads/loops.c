/* One operation again and again: `loops KIND COUNT`. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void clock_reads(long count)
{
    struct timespec now;
    for (long i = 0; i < count; i++)
        clock_gettime(CLOCK_MONOTONIC, &now);
}

static void pids(long count)
{
    for (long i = 0; i < count; i++)
        syscall(SYS_getpid);
}

/* Whose turn it is, 0 or 1. */
static atomic_int turn;

static void take_turns(int own, long count)
{
    for (long i = 0; i < count; i++) {
        while (atomic_load(&turn) != own)
            syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, !own, NULL, NULL, 0);
        atomic_store(&turn, !own);
        syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static void *other(void *count)
{
    take_turns(1, *(long *)count);
    return NULL;
}

static void switches(long count)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, other, &count) != 0)
        abort();
    take_turns(0, count);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    long count = atol(argv[2]);
    if (strcmp(argv[1], "clock") == 0)
        clock_reads(count);
    else if (strcmp(argv[1], "getpid") == 0)
        pids(count);
    else if (strcmp(argv[1], "switch") == 0)
        switches(count);
    else
        return 2;
    return 0;
}
