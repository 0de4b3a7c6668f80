//! How old the oldest event is that is not yet replayed, from counts at known times.

use crate::clock::Time;
use std::collections::VecDeque;

/// Samples that are kept: some seconds of them. A lag beyond shows as that of the oldest.
const SAMPLES_MAX: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct LagClock(VecDeque<(Time, u64)>);

impl LagClock {
    /// Takes counts as they are now; tells the lag in milliseconds.
    pub fn sample(&mut self, now: Time, appended: u64, applied: u64) -> u64 {
        if self.0.back().is_none_or(|(_, last)| *last < appended) {
            if self.0.len() >= SAMPLES_MAX {
                // The oldest stands for the lag; one in the middle is missed least.
                self.0.remove(1);
            }
            self.0.push_back((now, appended));
        }
        while self.0.front().is_some_and(|(_, count)| *count <= applied) {
            self.0.pop_front();
        }
        let oldest = self.0.front().map_or(now, |(time, _)| *time);
        u64::try_from(now.since(oldest).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn the_lag_is_the_age_of_the_oldest_that_waits() {
        let mut lag = LagClock::default();
        assert_eq!(lag.sample(Time(0), 10, 0), 0);
        assert_eq!(lag.sample(Time(5 * MS), 10, 0), 5);
        assert_eq!(
            lag.sample(Time(7 * MS), 20, 10),
            0,
            "the second lot came just now"
        );
        assert_eq!(lag.sample(Time(9 * MS), 20, 10), 2);
        assert_eq!(lag.sample(Time(10 * MS), 20, 20), 0);
    }

    #[test]
    fn a_lag_that_grows_takes_no_more_memory() {
        let mut lag = LagClock::default();
        for count in 1..100_000 {
            lag.sample(Time(count * MS), count, 0);
        }
        assert!(lag.0.len() <= SAMPLES_MAX);
        assert_eq!(lag.sample(Time(100_000 * MS), 100_000, 0), 99_999);
    }
}
