/* eventfd as a counter and as a semaphore, blocking between threads. */
#include "guest.h"
#include <sys/eventfd.h>

static int fd, back;

static void *worker(void *unused) {
    (void)unused;
    eventfd_t v, sum = 0;
    for (int i = 0; i < 5; i++) {
        OK(eventfd_read(fd, &v));
        sum += v;
        OK(eventfd_write(back, v * 10));
    }
    return (void *)(uintptr_t)sum;
}

int main(void) {
    int e = OK(eventfd(3, EFD_NONBLOCK));
    eventfd_t v;
    OK(eventfd_read(e, &v));
    CHECK_EQ(v, 3);
    FAILS(eventfd_read(e, &v), EAGAIN);
    OK(eventfd_write(e, UINT64_MAX - 1));
    FAILS(eventfd_write(e, 1), EAGAIN);
    FAILS(write(e, &v, 4), EINVAL);
    int s = OK(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
    OK(eventfd_read(s, &v));
    CHECK_EQ(v, 1);
    OK(eventfd_read(s, &v));
    FAILS(eventfd_read(s, &v), EAGAIN);

    fd = OK(eventfd(0, 0));
    back = OK(eventfd(0, 0));
    pthread_t t;
    ZERO(pthread_create(&t, NULL, worker, NULL));
    for (uint64_t i = 1; i <= 5; i++) {
        OK(eventfd_write(fd, i));
        OK(eventfd_read(back, &v));
        CHECK_EQ(v, i * 10);
    }
    void *sum;
    ZERO(pthread_join(t, &sum));
    CHECK_EQ((uintptr_t)sum, 15);
    say("sum %lu", (unsigned long)(uintptr_t)sum);
    return 0;
}
