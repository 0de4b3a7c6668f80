/* Interfaces that a supervisor may refuse: each gives a descriptor or an expected error, never a hang. */
#include "guest.h"

static void attempt(const char *name, long result) {
    int e = errno;
    if (result >= 0) {
        say("%s works", name);
        if (result > 2)
            close((int)result);
    } else {
        say("%s: errno %d", name, e);
        CHECK(e == ENOSYS || e == EPERM || e == EACCES || e == EINVAL || e == EOPNOTSUPP || e == ENOENT || e == ENODEV);
    }
}

int main(void) {
    char parameters[120] = {0};
    attempt("io_uring_setup", syscall(SYS_io_uring_setup, 4, parameters));
    attempt("userfaultfd", syscall(323, O_CLOEXEC | 1));
    char attributes[120] = {0};
    ((uint32_t *)attributes)[1] = sizeof attributes;
    attempt("perf_event_open", syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0));
    unsigned long context = 0;
    long r = syscall(SYS_io_setup, 4, &context);
    say("io_setup %s", r == 0 ? "works" : "refused");
    CHECK(r == 0 || errno == ENOSYS);
    if (r == 0)
        OK(syscall(SYS_io_destroy, context));
    attempt("fanotify_init", syscall(SYS_fanotify_init, 0, O_RDONLY));
    attempt("bpf", syscall(SYS_bpf, 0x7fff, attributes, sizeof attributes));
    attempt("memfd_secret", syscall(447, 0));
    attempt("landlock_create_ruleset", syscall(444, NULL, 0, 1) >= 0 ? 0 : -1);
    attempt("modify_ldt", syscall(SYS_modify_ldt, 0, parameters, sizeof parameters));
    attempt("iopl", syscall(SYS_iopl, 0) == 0 ? 0 : -1);
    return 0;
}
