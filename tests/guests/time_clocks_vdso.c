/* Clock values through the vDSO: every clock, gettimeofday, time; monotone, and printed. */
#include "guest.h"
#include <sys/time.h>

int main(void) {
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID,
        CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
        CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM, CLOCK_TAI};
    for (unsigned i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        struct timespec a, b, resolution;
        if (clock_gettime(clocks[i], &a) != 0) {
            say("clock %d: errno %d", clocks[i], errno);
            continue;
        }
        OK(clock_gettime(clocks[i], &b));
        CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
        OK(clock_getres(clocks[i], &resolution));
        say("clock %d: %ld.%09ld then %ld.%09ld, resolution %ld", clocks[i], (long)a.tv_sec, a.tv_nsec,
            (long)b.tv_sec, b.tv_nsec, resolution.tv_nsec);
    }
    struct timespec t;
    FAILS(clock_gettime(99, &t), EINVAL);
    struct timeval v, later;
    struct timezone zone;
    OK(gettimeofday(&v, &zone));
    OK(gettimeofday(&v, NULL));
    time_t stored, returned = time(&stored);
    OK(gettimeofday(&later, NULL));
    /* It gives the second of the last tick, which lags behind. */
    CHECK(stored == returned && returned >= v.tv_sec - 1 && returned <= later.tv_sec);
    say("gettimeofday %ld.%06ld, time %ld, west %d", (long)v.tv_sec, (long)v.tv_usec, (long)returned,
        zone.tz_minuteswest);
    CHECK(time(NULL) >= returned);
    uint64_t last = now_ns(), sum = 0;
    for (int i = 0; i < 300; i++) {
        uint64_t n = now_ns();
        CHECK(n >= last);
        sum = sum * 31 + (n - last);
        last = n;
    }
    say("300 differences %016lx, clock() %ld", (unsigned long)sum, (long)clock());
    char text[100];
    struct tm tm;
    CHECK(localtime_r(&returned, &tm) && strftime(text, sizeof text, "%F %T %Z", &tm) > 0);
    say("%s", text);
    return 0;
}
