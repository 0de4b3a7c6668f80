/* Protection keys, where the processor has them; pkey_mprotect with no key is mprotect. */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf out;
static volatile sig_atomic_t code;
static void on_segv(int s, siginfo_t *info, void *context) {
    (void)s, (void)context;
    code = info->si_code;
    siglongjmp(out, 1);
}

int main(void) {
    char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    handle(SIGSEGV, on_segv, 0);
    int key = pkey_alloc(0, PKEY_DISABLE_WRITE);
    if (key < 0) {
        CHECK(errno == ENOSPC || errno == ENOSYS || errno == EINVAL);
        say("no keys: %d", errno);
        OK(pkey_mprotect(p, PAGE, PROT_READ, -1));
        if (sigsetjmp(out, 1) == 0) {
            *(volatile char *)p = 1;
            CHECK(0);
        }
        CHECK_EQ(code, SEGV_ACCERR);
        return 0;
    }
    say("key %d", key);
    OK(pkey_mprotect(p, PAGE, PROT_READ | PROT_WRITE, key));
    if (sigsetjmp(out, 1) == 0) {
        *(volatile char *)p = 1;
        CHECK(0);
    }
    CHECK_EQ(code, SEGV_PKUERR);
    OK(pkey_set(key, 0));
    p[0] = 2;
    OK(pkey_free(key));
    return 0;
}
