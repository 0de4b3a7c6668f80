//! All spans of the role, from the two that an operator chooses.

use std::time::Duration;

/// How long silence lasts before a node is given up for lost.
pub const DETECT_MS_DEFAULT: u64 = 500;
/// Below this, scheduling alone looks like silence.
pub const DETECT_MS_MIN: u64 = 100;
/// Above this, "takes over" would be the wrong word.
pub const DETECT_MS_MAX: u64 = 60_000;
/// How long a primary without a standby goes on when the witness is silent.
pub const LEASE_MS_DEFAULT: u64 = 10_000;
/// etcd grants no shorter ones with its defaults.
pub const LEASE_MS_MIN: u64 = 2_000;
/// A node that died without a standby blocks another's start for so long.
pub const LEASE_MS_MAX: u64 = 600_000;

const MS: u64 = 1_000_000;

/// The spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Silence that means: lost.
    pub detect: Duration,
    /// Between heartbeats on a path.
    pub beat: Duration,
    /// How long a promise not to go active lasts, on the clock of the one who relies on it.
    pub promise: Duration,
    /// The same on the clock of the one who made it: longer, because clocks run differently.
    pub promise_kept: Duration,
    /// The lease that is asked of the witness.
    pub lease: Duration,
    /// Between questions to the witness that keep the lease.
    pub keep: Duration,
    /// After a question to the witness that failed.
    pub retry: Duration,
    /// How long output waits for the standby to catch up before protection begins.
    pub closing: Duration,
    /// Until the next try at that.
    pub reopened: Duration,
    /// How long a switchover may drain and wait before it is called off.
    pub switchover: Duration,
    /// How long a primary that has resigned waits for the other before it takes its right back.
    pub resigned: Duration,
    /// How long a start waits for the standby of an earlier run to take over.
    pub grace: Duration,
    /// How long a replay may be too far behind before protection is dropped, if that is wanted.
    pub lag_patience: Duration,
    /// More time than this between two events, and it was this node that stood still.
    pub stall: Duration,
}

impl Timing {
    /// With the operator's choice of detection time and lease.
    #[must_use]
    pub fn new(detect: Duration, lease: Duration) -> Self {
        let ns = |span: Duration| crate::clock::nanos(span);
        let beat = Duration::from_nanos((ns(detect) / 20).clamp(5 * MS, 100 * MS));
        // Six heartbeats: less, and a late one makes output wait; more, and a takeover waits.
        let promise = beat * 6;
        Self {
            detect,
            beat,
            promise,
            // Clocks may differ by 2 %, which no synchronised clock does.
            promise_kept: promise + promise / 20 + Duration::from_millis(1),
            lease,
            keep: lease / 4,
            retry: (detect / 5).max(Duration::from_millis(20)),
            closing: detect.min(Duration::from_millis(200)),
            reopened: Duration::from_secs(1),
            switchover: Duration::from_secs(2),
            resigned: (detect * 6).max(Duration::from_secs(3)),
            grace: (detect * 6).max(Duration::from_secs(3)),
            lag_patience: Duration::from_secs(2),
            stall: beat * 2,
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::new(
            Duration::from_millis(DETECT_MS_DEFAULT),
            Duration::from_millis(LEASE_MS_DEFAULT),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_ends_before_a_node_is_given_up() {
        for ms in [DETECT_MS_MIN, DETECT_MS_DEFAULT, DETECT_MS_MAX] {
            let timing = Timing::new(Duration::from_millis(ms), Duration::from_secs(2));
            assert!(timing.promise_kept < timing.detect, "{ms}");
            assert!(timing.promise_kept > timing.promise.mul_f64(1.04), "{ms}");
            assert!(timing.promise >= timing.beat * 4, "{ms}");
            assert!(timing.keep * 3 < timing.lease, "{ms}");
        }
    }
}
