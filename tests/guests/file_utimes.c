/* utimensat, futimens, utimes, futimesat, utime. */
#include "guest.h"
#include <sys/time.h>
#include <utime.h>

int main(void) {
    make_file("f", "x", 1);
    struct stat st;
    struct timespec t[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    OK(utimensat(AT_FDCWD, "f", t, 0));
    OK(stat("f", &st));
    CHECK(st.st_atim.tv_sec == 1000000000 && st.st_mtim.tv_sec == 1100000000);
    say("nanoseconds kept: %ld %ld", st.st_atim.tv_nsec, st.st_mtim.tv_nsec);
    t[0].tv_nsec = UTIME_OMIT;
    t[1].tv_nsec = UTIME_NOW;
    OK(utimensat(AT_FDCWD, "f", t, 0));
    OK(stat("f", &st));
    CHECK(st.st_atim.tv_sec == 1000000000 && st.st_mtim.tv_sec > 1100000000);
    say("now %ld.%09ld", (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    int fd = OK(open("f", O_RDWR));
    OK(futimens(fd, NULL));
    struct timeval v[2] = {{5, 6}, {7, 8}};
    OK(utimes("f", v));
    OK(stat("f", &st));
    CHECK(st.st_atim.tv_sec == 5 && st.st_mtim.tv_sec == 7);
    v[1].tv_sec = 9;
    OK(syscall(SYS_futimesat, AT_FDCWD, "f", v));
    struct utimbuf u = {11, 12};
    OK(syscall(SYS_utime, "f", &u));
    OK(syscall(SYS_utimes, "f", v));
    OK(stat("f", &st));
    CHECK(st.st_atim.tv_sec == 5 && st.st_mtim.tv_sec == 9);
    t[0].tv_nsec = 2000000000;
    FAILS(utimensat(AT_FDCWD, "f", t, 0), EINVAL);
    say("changed %ld.%09ld", (long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    return 0;
}
