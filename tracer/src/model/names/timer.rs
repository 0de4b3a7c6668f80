//! Names of clocks and timers.

use crate::model::types::Names;

/// Clocks.
pub static CLOCK: Names = Names {
    unknown: "CLOCK_???",
    names: &[
        (0, "CLOCK_REALTIME"),
        (1, "CLOCK_MONOTONIC"),
        (2, "CLOCK_PROCESS_CPUTIME_ID"),
        (3, "CLOCK_THREAD_CPUTIME_ID"),
        (4, "CLOCK_MONOTONIC_RAW"),
        (5, "CLOCK_REALTIME_COARSE"),
        (6, "CLOCK_MONOTONIC_COARSE"),
        (7, "CLOCK_BOOTTIME"),
        (8, "CLOCK_REALTIME_ALARM"),
        (9, "CLOCK_BOOTTIME_ALARM"),
        (10, "CLOCK_SGI_CYCLE"),
        (11, "CLOCK_TAI"),
    ],
};

/// Flags of `timer_settime` and `clock_nanosleep`.
pub static ABSTIME: Names = Names {
    unknown: "TIMER_???",
    names: &[(0x1, "TIMER_ABSTIME")],
};

/// Flags of `timerfd_create`.
pub static TFD_CREATE: Names = Names {
    unknown: "TFD_???",
    names: &[(0x8_0000, "TFD_CLOEXEC"), (0x800, "TFD_NONBLOCK")],
};

/// Flags of `timerfd_settime`.
pub static TFD_SETTIME: Names = Names {
    unknown: "TFD_???",
    names: &[(0x1, "TFD_TIMER_ABSTIME"), (0x2, "TFD_TIMER_CANCEL_ON_SET")],
};

/// Interval timers.
pub static ITIMER: Names = Names {
    unknown: "ITIMER_???",
    names: &[
        (0, "ITIMER_REAL"),
        (1, "ITIMER_VIRTUAL"),
        (2, "ITIMER_PROF"),
    ],
};

/// What `adjtimex` sets.
pub static ADJ: Names = Names {
    unknown: "ADJ_???",
    names: &[
        (0xa001, "ADJ_OFFSET_SS_READ"),
        (0x8001, "ADJ_OFFSET_SINGLESHOT"),
        (0x1, "ADJ_OFFSET"),
        (0x2, "ADJ_FREQUENCY"),
        (0x4, "ADJ_MAXERROR"),
        (0x8, "ADJ_ESTERROR"),
        (0x10, "ADJ_STATUS"),
        (0x20, "ADJ_TIMECONST"),
        (0x80, "ADJ_TAI"),
        (0x100, "ADJ_SETOFFSET"),
        (0x1000, "ADJ_MICRO"),
        (0x2000, "ADJ_NANO"),
        (0x4000, "ADJ_TICK"),
    ],
};

/// How a timer notifies.
pub static SIGEV: Names = Names {
    unknown: "SIGEV_???",
    names: &[
        (0, "SIGEV_SIGNAL"),
        (1, "SIGEV_NONE"),
        (2, "SIGEV_THREAD"),
        (4, "SIGEV_THREAD_ID"),
    ],
};
