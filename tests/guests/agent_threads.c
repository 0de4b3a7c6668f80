/* Threads and processes that make calls which do not stop: mutexes, conditions, priority inheritance, forks
 * while others are at it, trees, an exec and exits from the midst. */
#include "guest.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>

static int null, zero;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, pi, robust;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static volatile long counter, queue;
static volatile int over;

static void some_calls(int n) {
    char bytes[128], sum = 0;
    for (int i = 0; i < n; i++) {
        CHECK_EQ(read(zero, bytes, sizeof bytes), sizeof bytes);
        CHECK_EQ(write(null, bytes, 100), 100);
        sum = (char)(sum + bytes[i % 128]);
    }
    CHECK_EQ(sum, 0);
}

static void *adds(void *argument) {
    pthread_mutex_t *lock = argument;
    for (int i = 0; i < 500; i++) {
        ZERO(pthread_mutex_lock(lock));
        long before = counter;
        some_calls(1);
        if (i % 100 == 0)
            sched_yield();
        counter = before + 1;
        ZERO(pthread_mutex_unlock(lock));
    }
    return NULL;
}

static void *takes(void *argument) {
    (void)argument;
    for (;;) {
        ZERO(pthread_mutex_lock(&mutex));
        while (queue == 0 && !over)
            ZERO(pthread_cond_wait(&cond, &mutex));
        if (queue == 0) {
            ZERO(pthread_mutex_unlock(&mutex));
            return NULL;
        }
        queue--;
        counter++;
        ZERO(pthread_mutex_unlock(&mutex));
        some_calls(2);
    }
}

static void locks(pthread_mutex_t *lock) {
    pthread_t threads[4];
    counter = 0;
    for (int i = 0; i < 4; i++)
        ZERO(pthread_create(&threads[i], NULL, adds, lock));
    for (int i = 0; i < 4; i++)
        ZERO(pthread_join(threads[i], NULL));
    CHECK_EQ(counter, 2000);
}

static void conditions(void) {
    pthread_t threads[3];
    counter = 0, queue = 0, over = 0;
    for (int i = 0; i < 3; i++)
        ZERO(pthread_create(&threads[i], NULL, takes, NULL));
    for (int i = 0; i < 600; i++) {
        ZERO(pthread_mutex_lock(&mutex));
        queue++;
        ZERO(pthread_mutex_unlock(&mutex));
        if (i % 3)
            ZERO(pthread_cond_signal(&cond));
        else
            ZERO(pthread_cond_broadcast(&cond));
        some_calls(1);
    }
    ZERO(pthread_mutex_lock(&mutex));
    over = 1;
    ZERO(pthread_cond_broadcast(&cond));
    ZERO(pthread_mutex_unlock(&mutex));
    for (int i = 0; i < 3; i++)
        ZERO(pthread_join(threads[i], NULL));
    CHECK_EQ(counter, 600);
}

static void *loops(void *argument) {
    (void)argument;
    while (!over)
        some_calls(1);
    return NULL;
}

/* A thread that only makes such calls does not keep another one waiting. */
static void shares_the_cpu(void) {
    pthread_t thread;
    over = 0;
    ZERO(pthread_create(&thread, NULL, loops, NULL));
    for (int i = 0; i < 20; i++) {
        some_calls(20);
        sched_yield();
    }
    over = 1;
    ZERO(pthread_join(thread, NULL));
}

/* Forks while threads are at it; the children go on with what they have. */
static void tree(int depth) {
    for (int i = 0; i < 2 && depth > 0; i++) {
        pid_t pid = OK(fork());
        if (pid == 0) {
            some_calls(10);
            tree(depth - 1);
            some_calls(10);
            _exit(depth);
        }
        some_calls(5);
        expect_exit(pid, depth);
    }
}

static void forks(void) {
    pthread_t threads[2];
    over = 0;
    for (int i = 0; i < 2; i++)
        ZERO(pthread_create(&threads[i], NULL, loops, NULL));
    tree(4);
    pid_t pids[6];
    for (int i = 0; i < 6; i++) {
        pids[i] = OK(fork());
        if (pids[i] == 0) {
            some_calls(50 * i);
            _exit(i);
        }
    }
    some_calls(30);
    for (int i = 0; i < 6; i++)
        expect_exit(pids[i], i);
    over = 1;
    for (int i = 0; i < 2; i++)
        ZERO(pthread_join(threads[i], NULL));
}

/* Processes killed in the midst, with memory that they share. */
static void kills(void) {
    volatile long *shared = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < 4; i++) {
        shared[0] = 0, shared[1] = 0;
        pid_t pid = OK(fork());
        if (pid == 0)
            for (;;) {
                shared[0]++;
                some_calls(1);
                shared[1]++;
            }
        while (shared[1] < 50)
            some_calls(3);
        OK(kill(pid, SIGKILL));
        expect_signal(pid, SIGKILL);
        CHECK(shared[0] == shared[1] || shared[0] == shared[1] + 1);
        say("killed at %ld", shared[0]);
    }
    OK(munmap((void *)shared, PAGE));
}

/* One that computes for long by itself, and then makes calls again. */
static void computes(void) {
    pid_t pid = OK(fork());
    if (pid == 0) {
        for (int round = 0; round < 3; round++) {
            volatile unsigned long x = 1;
            uint64_t until = now_ns() + 80000000;
            some_calls(3);
            for (;;) {
                for (int i = 0; i < 3000000; i++)
                    x = x * 3 + 1;
                if (now_ns() >= until)
                    break;
            }
            some_calls(20);
        }
        _exit(7);
    }
    for (int i = 0; i < 60; i++) {
        some_calls(10);
        sleep_ms(2);
    }
    expect_exit(pid, 7);
}

static void *executes(void *argument) {
    some_calls(20);
    execl(argument, argument, "again", NULL);
    return NULL;
}

static void *exits(void *argument) {
    some_calls(5);
    pthread_exit(argument);
}

static void *dies_with_lock(void *argument) {
    ZERO(pthread_mutex_lock(&robust));
    some_calls(5);
    return argument;
}

int main(int argc, char **argv) {
    null = OK(open("/dev/null", O_RDWR)), zero = OK(open("/dev/zero", O_RDWR));
    if (argc > 1) {
        some_calls(20);
        say("executed anew, one of %d", argc);
        pthread_t threads[3];
        for (int i = 0; i < 3; i++)
            ZERO(pthread_create(&threads[i], NULL, loops, NULL));
        some_calls(10);
        /* All of them end in the midst. */
        exit(31);
    }
    pthread_mutexattr_t attributes;
    ZERO(pthread_mutexattr_init(&attributes));
    ZERO(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT));
    ZERO(pthread_mutex_init(&pi, &attributes));
    ZERO(pthread_mutexattr_init(&attributes));
    ZERO(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
    ZERO(pthread_mutex_init(&robust, &attributes));
    locks(&mutex), locks(&pi);
    conditions();
    shares_the_cpu();
    forks();
    kills();
    computes();
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        void *result;
        ZERO(pthread_create(&thread, NULL, exits, (void *)&over));
        some_calls(2);
        ZERO(pthread_join(thread, &result));
        CHECK(result == &over);
    }
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, dies_with_lock, NULL));
    ZERO(pthread_join(thread, NULL));
    CHECK_EQ(pthread_mutex_lock(&robust), EOWNERDEAD);
    over = 0;
    for (int i = 0; i < 2; i++)
        ZERO(pthread_create(&thread, NULL, loops, NULL));
    ZERO(pthread_create(&thread, NULL, executes, argv[0]));
    for (;;)
        some_calls(1);
}
