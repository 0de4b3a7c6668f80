//! The time that rights are measured on: CLOCK_BOOTTIME, which also runs while the machine is
//! suspended.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Nanoseconds since the machine was started. Means nothing on another machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// Before everything.
    pub const NEVER: Self = Self(0);
    /// After everything.
    pub const FOREVER: Self = Self(u64::MAX);

    /// Now. A clock that cannot be read is [`Time::FOREVER`]: every right has lapsed.
    #[must_use]
    pub fn now() -> Self {
        let Ok(now) = clock_gettime(ClockId::CLOCK_BOOTTIME) else {
            return Self::FOREVER;
        };
        let (Ok(seconds), Ok(ns)) = (u64::try_from(now.tv_sec()), u64::try_from(now.tv_nsec()))
        else {
            return Self::FOREVER;
        };
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(ns))
    }

    /// This much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    /// How long it has been since `earlier`; nothing if that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A span in nanoseconds; what does not fit is more than anything that is waited for.
#[must_use]
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_runs_and_spans_saturate() {
        let before = Time::now();
        assert!(before > Time::NEVER && before < Time::FOREVER);
        assert!(Time::now() >= before);
        assert_eq!(Time(5).since(Time(7)), Duration::ZERO);
        assert_eq!(Time::FOREVER.after(Duration::MAX), Time::FOREVER);
    }
}
