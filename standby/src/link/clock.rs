//! The other node's clocks: how far they are ahead of ours, and how well that is known.

use super::message::Clocks;
use nix::time::{ClockId, clock_gettime};

/// This node's clocks now.
pub(super) fn now() -> Clocks {
    let read = |clock| {
        // Neither clock can fail, nor be before zero.
        let time = clock_gettime(clock).unwrap_or(nix::sys::time::TimeSpec::new(0, 0));
        let part = |value: i64| u64::try_from(value).unwrap_or(0);
        part(time.tv_sec()) * 1_000_000_000 + part(time.tv_nsec())
    };
    Clocks {
        monotonic_ns: read(ClockId::CLOCK_MONOTONIC),
        boottime_ns: read(ClockId::CLOCK_BOOTTIME),
    }
}

/// How far the peer's clocks are ahead of ours (negative: behind).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffsets {
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    pub monotonic_ns: i64,
    /// `CLOCK_BOOTTIME`, in nanoseconds.
    pub boottime_ns: i64,
    /// Neither is further from the truth than this.
    pub error_ns: u64,
}

impl ClockOffsets {
    /// From one question (asked at `before`, answered at `after` by our clocks) and its answer:
    /// the peer read its clocks at some moment between.
    pub(super) fn measure(before: Clocks, peer: Clocks, after: Clocks) -> Self {
        let offset = |before: u64, peer: u64, after: u64| {
            let middle = before + after.saturating_sub(before) / 2;
            i64::try_from(i128::from(peer) - i128::from(middle)).unwrap_or(i64::MAX)
        };
        let round_trip = after.monotonic_ns.saturating_sub(before.monotonic_ns);
        Self {
            monotonic_ns: offset(before.monotonic_ns, peer.monotonic_ns, after.monotonic_ns),
            boottime_ns: offset(before.boottime_ns, peer.boottime_ns, after.boottime_ns),
            error_ns: round_trip.div_ceil(2),
        }
    }

    /// The better known of two.
    pub(super) fn better(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.error_ns <= self.error_ns => other,
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_within_its_error() {
        let at = |monotonic_ns, boottime_ns| Clocks {
            monotonic_ns,
            boottime_ns,
        };
        // The peer is 5000 behind and answered 10 after the question, 90 before the answer.
        let found = ClockOffsets::measure(at(10_000, 20_000), at(5010, 20_010), at(10_100, 20_100));
        assert_eq!(found.error_ns, 50);
        assert!((-5050..=-4950).contains(&found.monotonic_ns), "{found:?}");
        assert!((-50..=50).contains(&found.boottime_ns), "{found:?}");
        let worse = ClockOffsets {
            error_ns: 51,
            ..found
        };
        assert_eq!(worse.better(Some(found)), found);
        assert_eq!(found.better(Some(worse)), found);
        let first = now();
        assert!(first.monotonic_ns > 0 && now().monotonic_ns >= first.monotonic_ns);
    }
}
