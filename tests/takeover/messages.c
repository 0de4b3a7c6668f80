/* Message queues of System V: messages left inside for long, by type, those who wait for them or for
 * room, limits, and a queue that is removed. */
#include "../guests/guest.h"
#include <sys/ipc.h>
#include <sys/msg.h>

struct message {
    long type;
    char text[1000];
};

static void put(int queue, long type, const char *text) {
    struct message message = {.type = type};
    strcpy(message.text, text);
    OK(msgsnd(queue, &message, strlen(text), 0));
}

static void get(int queue, long type, const char *text) {
    struct message message;
    size_t length = strlen(text);
    memset(&message, 0, sizeof message);
    CHECK_EQ(msgrcv(queue, &message, sizeof message.text, type, 0), length);
    CHECK(memcmp(message.text, text, length) == 0);
}

static void serve(int queue) {
    struct message message;
    for (int i = 0; i < 3; i++) {
        ssize_t length = OK(msgrcv(queue, &message, sizeof message.text, 10, 0));
        message.type = 11;
        message.text[length] = '!';
        OK(msgsnd(queue, &message, (size_t)length + 1, 0));
    }
    _exit(0);
}

int main(void) {
    int queue = OK(msgget(IPC_PRIVATE, IPC_CREAT | 0600));
    put(queue, 5, "left inside");
    put(queue, 3, "three");
    put(queue, 4, "four");
    put(queue, 3, "three again");
    pid_t server = OK(fork());
    if (server == 0)
        serve(queue);
    for (int i = 0; i < 3; i++) {
        put(queue, 10, "question");
        get(queue, 11, "question!");
    }
    expect_exit(server, 0);
    say("served");
    /* Room for two messages: the writer waits for the reader. */
    int small = OK(msgget(0x7107, IPC_CREAT | 0600));
    struct msqid_ds status;
    OK(msgctl(small, IPC_STAT, &status));
    status.msg_qbytes = 2000;
    OK(msgctl(small, IPC_SET, &status));
    pid_t writer = OK(fork());
    if (writer == 0) {
        struct message message;
        for (int i = 1; i <= 6; i++) {
            message.type = i;
            fill(message.text, sizeof message.text, (unsigned)i);
            OK(msgsnd(small, &message, sizeof message.text, 0));
        }
        _exit(0);
    }
    usleep(2000);
    for (int i = 1; i <= 6; i++) {
        struct message message;
        char expected[1000];
        CHECK_EQ(msgrcv(small, &message, sizeof message.text, 0, 0), sizeof message.text);
        CHECK_EQ(message.type, i);
        fill(expected, sizeof expected, (unsigned)i);
        CHECK(memcmp(message.text, expected, sizeof expected) == 0);
    }
    expect_exit(writer, 0);
    say("room");
    struct message message;
    FAILS(msgrcv(queue, &message, 2, 4, 0), E2BIG);
    CHECK_EQ(msgrcv(queue, &message, 2, 4, MSG_NOERROR), 2);
    get(queue, -4, "three");
    get(queue, 0, "left inside");
    get(queue, 0, "three again");
    FAILS(msgrcv(queue, &message, 2, 0, IPC_NOWAIT), ENOMSG);
    OK(msgctl(queue, IPC_STAT, &status));
    CHECK_EQ(status.msg_qnum, 0);
    CHECK_EQ(status.msg_lrpid, getpid());
    pid_t waiter = OK(fork());
    if (waiter == 0) {
        CHECK(msgrcv(queue, &message, 2, 0, 0) == -1 && (errno == EIDRM || errno == EINVAL));
        _exit(0);
    }
    usleep(2000);
    OK(msgctl(queue, IPC_RMID, NULL));
    expect_exit(waiter, 0);
    CHECK_EQ(msgget(0x7107, 0), small);
    OK(msgctl(small, IPC_RMID, NULL));
    say("removed");
    return 0;
}
