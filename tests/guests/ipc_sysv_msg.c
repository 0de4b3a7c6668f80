/* System V messages: types, order, waiting, truncation, status, removal under a waiter. */
#include "guest.h"
#include <sys/ipc.h>
#include <sys/msg.h>

struct message {
    long type;
    char text[100];
};

int main(void) {
    int id = OK(msgget(IPC_PRIVATE, IPC_CREAT | 0600));
    struct message m = {1, "first"}, r;
    OK(msgsnd(id, &m, 6, 0));
    m.type = 5;
    strcpy(m.text, "fifth");
    OK(msgsnd(id, &m, 6, 0));
    m.type = 2;
    strcpy(m.text, "a longer text");
    OK(msgsnd(id, &m, 14, 0));
    CHECK_EQ(msgrcv(id, &r, sizeof r.text, 5, 0), 6);
    CHECK(r.type == 5 && strcmp(r.text, "fifth") == 0);
    FAILS(msgrcv(id, &r, 3, 2, 0), E2BIG);
    CHECK_EQ(msgrcv(id, &r, 3, 2, MSG_NOERROR), 3);
    CHECK_EQ(msgrcv(id, &r, sizeof r.text, -3, 0), 6);
    CHECK_EQ(r.type, 1);
    FAILS(msgrcv(id, &r, sizeof r.text, 0, IPC_NOWAIT), ENOMSG);
    pid_t pid = OK(fork());
    if (pid == 0) {
        for (int i = 0; i < 10; i++) {
            CHECK(msgrcv(id, &r, sizeof r.text, 7, 0) > 0);
            m.type = 8;
            int n = snprintf(m.text, sizeof m.text, "%d saw %s", (int)getpid(), r.text);
            OK(msgsnd(id, &m, (size_t)n + 1, 0));
        }
        /* EINVAL if the queue is gone before we ask. */
        CHECK(msgrcv(id, &r, sizeof r.text, 7, 0) == -1 && (errno == EIDRM || errno == EINVAL));
        _exit(0);
    }
    for (int i = 0; i < 10; i++) {
        m.type = 7;
        snprintf(m.text, sizeof m.text, "%d", i * i);
        OK(msgsnd(id, &m, strlen(m.text) + 1, 0));
        CHECK(msgrcv(id, &r, sizeof r.text, 8, 0) > 0);
        say("%s", r.text);
    }
    struct msqid_ds ds;
    OK(msgctl(id, IPC_STAT, &ds));
    CHECK(ds.msg_qnum == 0 && ds.msg_lspid == pid);
    sleep_ms(3);
    OK(msgctl(id, IPC_RMID, NULL));
    expect_exit(pid, 0);
    FAILS(msgsnd(id, &m, 1, 0), EINVAL);
    return 0;
}
