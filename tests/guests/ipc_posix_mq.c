/* POSIX message queues: priorities, attributes, time-outs, notification by signal. */
#include "guest.h"
#include <mqueue.h>

static volatile sig_atomic_t notified, code;
static void on_notify(int s, siginfo_t *info, void *context) {
    (void)s, (void)context;
    code = info->si_code;
    notified = info->si_value.sival_int;
}

int main(void) {
    char name[64], text[128];
    snprintf(name, sizeof name, "/guest-%d-%lx", (int)getpid(), (unsigned long)now_ns());
    struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = 100};
    mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
    if (q == (mqd_t)-1) {
        CHECK(errno == ENOSYS || errno == EMFILE || errno == ENOSPC);
        say("no message queues: %d", errno);
        return 0;
    }
    OK(mq_send(q, "low", 3, 1));
    OK(mq_send(q, "high", 4, 9));
    OK(mq_send(q, "low again", 9, 1));
    unsigned priority;
    CHECK_EQ(mq_receive(q, text, sizeof text, &priority), 4);
    CHECK(priority == 9 && memcmp(text, "high", 4) == 0);
    CHECK_EQ(mq_receive(q, text, sizeof text, &priority), 3);
    OK(mq_getattr(q, &a));
    CHECK(a.mq_curmsgs == 1 && a.mq_msgsize == 100);
    FAILS(mq_receive(q, text, 10, NULL), EMSGSIZE);
    CHECK_EQ(mq_receive(q, text, sizeof text, NULL), 9);
    struct timespec t;
    OK(clock_gettime(CLOCK_REALTIME, &t));
    FAILS(mq_timedreceive(q, text, sizeof text, NULL, &t), ETIMEDOUT);
    a.mq_flags = O_NONBLOCK;
    struct mq_attr old;
    OK(mq_setattr(q, &a, &old));
    CHECK_EQ(old.mq_flags, 0);
    FAILS(mq_receive(q, text, sizeof text, NULL), EAGAIN);
    handle(SIGUSR1, on_notify, 0);
    struct sigevent e;
    memset(&e, 0, sizeof e);
    e.sigev_notify = SIGEV_SIGNAL;
    e.sigev_signo = SIGUSR1;
    e.sigev_value.sival_int = 321;
    OK(mq_notify(q, &e));
    pid_t pid = OK(fork());
    if (pid == 0) {
        OK(mq_send(q, "from the child", 14, 0));
        _exit(0);
    }
    while (!notified)
        sleep_ms(1);
    CHECK(notified == 321 && code == SI_MESGQ);
    expect_exit(pid, 0);
    CHECK_EQ(mq_receive(q, text, sizeof text, NULL), 14);
    OK(mq_close(q));
    OK(mq_unlink(name));
    FAILS(mq_unlink(name), ENOENT);
    say("queue %s", name);
    return 0;
}
