/* Keys, where the kernel has them: add, read, describe, search, revoke on a private keyring. */
#include "guest.h"
#include <linux/keyctl.h>

int main(void) {
    long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    if (ring < 0) {
        CHECK(errno == ENOSYS || errno == EPERM || errno == EDQUOT || errno == EACCES);
        say("no keyrings here: %d", errno);
        return 0;
    }
    long key = syscall(SYS_add_key, "user", "guest:key", "payload", 7, KEY_SPEC_SESSION_KEYRING);
    if (key < 0) {
        say("no keys here: %d", errno);
        return 0;
    }
    char text[200] = {0};
    CHECK_EQ(syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text), 7);
    CHECK(memcmp(text, "payload", 7) == 0);
    CHECK_EQ(syscall(SYS_keyctl, KEYCTL_READ, key, NULL, 0), 7);
    long n = OK(syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, text, sizeof text));
    CHECK(n > 0 && strstr(text, "guest:key"));
    say("ring %ld key %ld: %s", ring, key, text);
    CHECK_EQ(syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "guest:key", 0), key);
    CHECK_EQ(syscall(SYS_request_key, "user", "guest:key", NULL, 0), key);
    OK(syscall(SYS_keyctl, KEYCTL_UPDATE, key, "other", 5));
    CHECK_EQ(syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text), 5);
    OK(syscall(SYS_keyctl, KEYCTL_REVOKE, key));
    FAILS(syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text), EKEYREVOKED);
    return 0;
}
