/* The name of a thread is any bytes, not a text: here one that was cut in the midst of a character. Its
 * signals are what they are without it. */
#include "guest.h"
#include <setjmp.h>
#include <sys/prctl.h>

static sigjmp_buf out;
static volatile sig_atomic_t faults, alarms;

static void on_fault(int number) {
    (void)number;
    faults++;
    siglongjmp(out, 1);
}

static void on_alarm(int number) {
    (void)number;
    alarms++;
}

static void name_it(void) {
    /* 15 bytes stay: the last character loses its second one. */
    OK(prctl(PR_SET_NAME, "fourteen bytes\xc3\xa4"));
}

static void provoke(void) {
    int before = faults;
    if (sigsetjmp(out, 1) == 0)
        *(volatile char *)8 = 1;
    CHECK_EQ(faults, before + 1);
}

static void *another(void *argument) {
    (void)argument;
    name_it();
    provoke();
    CHECK_EQ(raise(SIGUSR1), 0);
    return NULL;
}

int main(void) {
    signal(SIGSEGV, on_fault);
    signal(SIGUSR1, on_alarm);
    signal(SIGUSR2, SIG_IGN);
    name_it();
    char name[17] = "";
    OK(prctl(PR_GET_NAME, name));
    CHECK_EQ(strlen(name), 15);
    CHECK_EQ((unsigned char)name[14], 0xc3);
    for (int i = 0; i < 3; i++)
        provoke();
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(raise(SIGUSR2), 0);
    pthread_t thread;
    ZERO(pthread_create(&thread, NULL, another, NULL));
    ZERO(pthread_join(thread, NULL));
    pid_t pid = OK(fork());
    if (pid == 0) {
        provoke();
        _exit(7);
    }
    expect_exit(pid, 7);
    say("%d faults, %d signals", (int)faults, (int)alarms);
    return 0;
}
