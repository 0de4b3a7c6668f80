/* POSIX message queues: messages left inside for long, by priority, those who wait for them or for
 * room, notification, descriptors without waiting, a queue whose name is gone. */
#include "../guests/guest.h"
#include <mqueue.h>

static volatile sig_atomic_t notified;

static void on_notify(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    CHECK_EQ(info->si_code, SI_MESGQ);
    notified = info->si_value.sival_int;
}

static void get(mqd_t queue, const char *text, unsigned priority) {
    char bytes[100];
    unsigned found;
    size_t length = strlen(text);
    CHECK_EQ(mq_receive(queue, bytes, sizeof bytes, &found), length);
    CHECK(memcmp(bytes, text, length) == 0);
    CHECK_EQ(found, priority);
}

int main(void) {
    struct mq_attr room = {.mq_maxmsg = 3, .mq_msgsize = 100};
    mqd_t kept = mq_open("/kept", O_RDWR | O_CREAT | O_EXCL, 0600, &room);
    if (kept == (mqd_t)-1) {
        CHECK_EQ(errno, ENOSYS);
        say("none");
        return 0;
    }
    OK(mq_send(kept, "left", 4, 1));
    OK(mq_send(kept, "inside", 6, 2));
    mqd_t queue = OK(mq_open("/queue", O_RDWR | O_CREAT, 0600, &room));
    pid_t server = OK(fork());
    if (server == 0) {
        mqd_t answers = OK(mq_open("/kept", O_WRONLY));
        for (unsigned i = 0; i < 5; i++)
            get(queue, "question", 3);
        OK(mq_send(answers, "answer", 6, 9));
        _exit(0);
    }
    for (unsigned i = 0; i < 5; i++)
        OK(mq_send(queue, "question", 8, 3));
    expect_exit(server, 0);
    get(kept, "answer", 9);
    say("served");
    OK(mq_unlink("/queue"));
    FAILS(mq_open("/queue", O_RDWR), ENOENT);
    handle(SIGUSR1, on_notify, 0);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 5};
    OK(mq_notify(queue, &event));
    FAILS(mq_notify(queue, &event), EBUSY);
    usleep(2000);
    pid_t sender = OK(fork());
    if (sender == 0) {
        OK(mq_send(queue, "wakes", 5, 0));
        _exit(0);
    }
    while (!notified)
        usleep(1000);
    CHECK_EQ(notified, 5);
    expect_exit(sender, 0);
    OK(mq_notify(queue, &event));
    get(queue, "wakes", 0);
    say("notified");
    OK(mq_getattr(kept, &room));
    CHECK_EQ(room.mq_curmsgs, 2);
    room.mq_flags = O_NONBLOCK;
    OK(mq_setattr(queue, &room, NULL));
    usleep(2000);
    char bytes[100];
    FAILS(mq_receive(queue, bytes, sizeof bytes, NULL), EAGAIN);
    get(kept, "inside", 2);
    get(kept, "left", 1);
    struct timespec soon;
    OK(clock_gettime(CLOCK_REALTIME, &soon));
    soon.tv_sec += soon.tv_nsec > 990000000;
    soon.tv_nsec = (soon.tv_nsec + 10000000) % 1000000000;
    FAILS(mq_timedreceive(kept, bytes, sizeof bytes, NULL, &soon), ETIMEDOUT);
    OK(mq_close(queue));
    OK(mq_unlink("/kept"));
    say("empty");
    return 0;
}
