//! Times and timers.

use super::{Form, braces, fields};
use crate::model::names::timer::{ADJ, SIGEV};
use crate::model::{Names, StructId};
use crate::strace::fields::{Field, Is, all, field, int, long, nested, pointer};
use crate::strace::signals::ticks;
use crate::strace::text::put;
use crate::strace::view::{number, signed};

pub(super) fn form(of: StructId) -> Option<Form> {
    Some(match of {
        StructId::Timespec => fields![long("tv_sec", 0), long("tv_nsec", 8)],
        StructId::Timeval => fields![long("tv_sec", 0), long("tv_usec", 8)],
        StructId::Timezone => fields![int("tz_minuteswest", 0), int("tz_dsttime", 4)],
        StructId::Itimerval => fields![
            nested("it_interval", 0, StructId::Timeval),
            nested("it_value", 16, StructId::Timeval),
        ],
        StructId::Itimerspec => fields![
            nested("it_interval", 0, StructId::Timespec),
            nested("it_value", 16, StructId::Timespec),
        ],
        StructId::Utimbuf => {
            fields![
                field("actime", 0, Is::Own(8, instant)),
                field("modtime", 8, Is::Own(8, instant))
            ]
        }
        StructId::Tms => fields![
            in_ticks("tms_utime", 0),
            in_ticks("tms_stime", 8),
            in_ticks("tms_cutime", 16),
            in_ticks("tms_cstime", 24),
        ],
        StructId::Timex => fields![
            field("modes", 0, Is::Flags(4, &ADJ)),
            long("offset", 8),
            long("freq", 16),
            long("maxerror", 24),
            long("esterror", 32),
            field("status", 40, Is::Flags(4, &STATUS)),
            long("constant", 48),
            long("precision", 56),
            long("tolerance", 64),
            nested("time", 72, StructId::Timeval),
            long("tick", 88),
            long("ppsfreq", 96),
            long("jitter", 104),
            int("shift", 112),
            long("stabil", 120),
            long("jitcnt", 128),
            long("calcnt", 136),
            long("errcnt", 144),
            long("stbcnt", 152),
            int("tai", 160),
        ],
        StructId::RtcTime => fields![
            int("tm_sec", 0),
            int("tm_min", 4),
            int("tm_hour", 8),
            int("tm_mday", 12),
            int("tm_mon", 16),
            int("tm_year", 20),
        ],
        StructId::Sigevent => Form::Own(sigevent),
        _ => return None,
    })
}

const fn in_ticks(name: &'static str, at: usize) -> Field {
    field(
        name,
        at,
        Is::Own(8, |out, bytes| ticks(out, number(bytes, 0, 8))),
    )
}

fn sigevent(out: &mut String, bytes: &[u8]) {
    const VALUE: &[Field] = &[int("sival_int", 0), pointer("sival_ptr", 0)];
    const THREAD: u64 = 2;
    const THREAD_ID: u64 = 4;
    braces(out, |out| {
        if number(bytes, 0, 8) != 0 {
            out.push_str("sigev_value=");
            braces(out, |out| all(out, VALUE, bytes));
        }
        const NONE: u64 = 1;
        const NOTIFY: &[Field] = &[field("sigev_notify", 12, Is::Choice(4, &SIGEV))];
        let kind = number(bytes, 12, 4);
        // Only where a signal is sent it is one.
        let number_is = if kind == NONE {
            Is::Signed(4)
        } else {
            Is::Signal
        };
        field("sigev_signo", 8, number_is).show(out, bytes);
        all(out, NOTIFY, bytes);
        match kind {
            THREAD_ID => all(out, const { &[int("sigev_notify_thread_id", 16)] }, bytes),
            THREAD => {
                let fields = const {
                    &[
                        pointer("sigev_notify_function", 16),
                        pointer("sigev_notify_attributes", 24),
                    ]
                };
                all(out, fields, bytes);
            }
            _ => {}
        }
    });
}

/// Seconds since the Unix epoch, and what date that is.
pub(super) fn instant(out: &mut String, bytes: &[u8]) {
    let seconds = signed(bytes, 0, 8);
    put!(out, "{seconds}");
    if seconds != 0 {
        out.push_str(" /* ");
        date(out, seconds, None);
        out.push_str(" */");
    }
}

/// Appends date and time of day in UTC, with a fraction of a second of so many digits.
pub(in crate::strace) fn date(out: &mut String, seconds: i64, fraction: Option<(u64, usize)>) {
    const DAY: i64 = 86_400;
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let rest = seconds.rem_euclid(DAY);
    put!(
        out,
        "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    );
    if let Some((fraction, digits)) = fraction.filter(|(fraction, _)| *fraction != 0) {
        put!(out, ".{fraction:0digits$}");
    }
    out.push_str("+0000");
}

/// Year, month and day of a day since the Unix epoch in the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years that begin in March have their leap day last; eras of 400 years are all alike.
    const DAYS_TO_1970_03_01_0000: i64 = 719_468;
    const ERA: i64 = 146_097;
    let days = days + DAYS_TO_1970_03_01_0000;
    let (era, day_of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let leaps = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / (ERA - 1);
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

static STATUS: Names = Names {
    unknown: "STA_???",
    names: &[
        (0x1, "STA_PLL"),
        (0x2, "STA_PPSFREQ"),
        (0x4, "STA_PPSTIME"),
        (0x8, "STA_FLL"),
        (0x10, "STA_INS"),
        (0x20, "STA_DEL"),
        (0x40, "STA_UNSYNC"),
        (0x80, "STA_FREQHOLD"),
        (0x100, "STA_PPSSIGNAL"),
        (0x200, "STA_PPSJITTER"),
        (0x400, "STA_PPSWANDER"),
        (0x800, "STA_PPSERROR"),
        (0x1000, "STA_CLOCKERR"),
        (0x2000, "STA_NANO"),
        (0x4000, "STA_MODE"),
        (0x8000, "STA_CLK"),
    ],
};

#[cfg(test)]
mod tests {
    use super::super::tests::show;
    use super::*;

    #[test]
    fn dates() {
        let show = |seconds| {
            let mut out = String::new();
            date(&mut out, seconds, None);
            out
        };
        assert_eq!(show(0), "1970-01-01T00:00:00+0000");
        assert_eq!(show(1_795_494_538), "2026-11-24T04:28:58+0000");
        assert_eq!(show(951_782_400), "2000-02-29T00:00:00+0000");
        assert_eq!(show(-1), "1969-12-31T23:59:59+0000");
        let mut out = String::new();
        date(&mut out, 1, Some((2, 6)));
        assert_eq!(out, "1970-01-01T00:00:01.000002+0000");
        // Far beyond all calendars, but a number that a program can pass.
        show(i64::MAX / 2);
        show(i64::MIN / 2);
    }

    #[test]
    fn times() {
        assert_eq!(
            show(StructId::Itimerval, &[(16, 8, 100)]),
            "{it_interval={tv_sec=0, tv_usec=0}, it_value={tv_sec=100, tv_usec=0}}"
        );
        assert_eq!(
            show(StructId::Utimbuf, &[(0, 8, 5)]),
            "{actime=5 /* 1970-01-01T00:00:05+0000 */, modtime=0}"
        );
        assert_eq!(
            show(StructId::Tms, &[(8, 8, 250)]),
            "{tms_utime=0, tms_stime=250 /* 2.50 s */, tms_cutime=0, tms_cstime=0}"
        );
        assert_eq!(
            show(StructId::Sigevent, &[(8, 4, 12)]),
            "{sigev_signo=SIGUSR2, sigev_notify=SIGEV_SIGNAL}"
        );
        assert_eq!(
            show(
                StructId::Sigevent,
                &[(0, 8, 7), (8, 4, 12), (12, 4, 4), (16, 4, 99)]
            ),
            "{sigev_value={sival_int=7, sival_ptr=0x7}, sigev_signo=SIGUSR2, \
             sigev_notify=SIGEV_THREAD_ID, sigev_notify_thread_id=99}"
        );
    }

    #[test]
    fn the_state_of_the_clock() {
        assert_eq!(
            show(
                StructId::Timex,
                &[
                    (24, 8, 16_000_000),
                    (40, 4, 0x40),
                    (48, 8, 2),
                    (56, 8, 1),
                    (88, 8, 10_000)
                ]
            ),
            "{modes=0, offset=0, freq=0, maxerror=16000000, esterror=0, status=STA_UNSYNC, \
             constant=2, precision=1, tolerance=0, time={tv_sec=0, tv_usec=0}, tick=10000, \
             ppsfreq=0, jitter=0, shift=0, stabil=0, jitcnt=0, calcnt=0, errcnt=0, stbcnt=0, tai=0}"
        );
    }
}
