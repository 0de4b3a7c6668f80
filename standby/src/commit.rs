//! How far the standby has the journal: what the link reports, and the gate waits for.

use crate::clock::Time;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

type Waker = Box<dyn Fn() + Send + Sync>;

/// The output commit rule, shared by link, gate and role. Counts are of events from the start of
/// the journal.
///
/// A right to be active ends by itself: [`Commit::may_go`] reads the clock, so that a node that
/// was frozen and wakes with a packet in hand finds its right gone without having to be told.
/// What remains is the time between that check and the system call that sends. A node that is
/// frozen exactly there sends the packets of one such call when it wakes. Under protection they were committed
/// like all others, so the node that took over has everything they depend on, and a receiver takes them for
/// late duplicates; but they are sent. Hence: check as close to the sending as possible, for every batch.
#[derive(Default)]
pub struct Commit {
    committed: AtomicU64,
    applied: AtomicU64,
    signs: AtomicU64,
    lag_max: AtomicU64,
    alone: AtomicBool,
    stopped: AtomicBool,
    right_until: AtomicU64,
    wakers: Mutex<Vec<Waker>>,
}

impl Commit {
    /// Nothing is committed, and output waits. `lag_max` is how many events the standby's
    /// replay may be behind before output waits for it.
    #[must_use]
    pub fn new(lag_max: u64) -> Self {
        Self {
            lag_max: AtomicU64::new(lag_max),
            right_until: AtomicU64::new(Time::FOREVER.0),
            ..Self::default()
        }
    }

    /// The standby has stored the first `events` events. Never goes back.
    pub fn advance(&self, events: u64) {
        if self.committed.fetch_max(events, Ordering::AcqRel) < events {
            self.wake();
        }
    }

    /// The standby has replayed the first `events` events. Never goes back.
    pub fn applied(&self, events: u64) {
        if self.applied.fetch_max(events, Ordering::AcqRel) < events {
            self.wake();
        }
    }

    /// Both at once.
    pub fn progress(&self, stored: u64, applied: u64) {
        let before = [
            self.committed.fetch_max(stored, Ordering::AcqRel),
            self.applied.fetch_max(applied, Ordering::AcqRel),
        ];
        if before[0] < stored || before[1] < applied {
            self.wake();
        }
    }

    /// The standby is at work on what it was sent, though it has not stored more yet.
    pub fn at_work(&self) {
        self.signs.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has shown that.
    #[must_use]
    pub fn signs(&self) -> u64 {
        self.signs.load(Ordering::Relaxed)
    }

    /// Without a standby (by a decision of the role) nothing waits for one.
    pub fn set_alone(&self, alone: bool) {
        self.alone.store(alone, Ordering::Release);
        self.wake();
    }

    /// How many events the standby's replay may be behind before output waits for it.
    #[must_use]
    pub fn lag_max(&self) -> u64 {
        self.lag_max.load(Ordering::Acquire)
    }

    /// Without the right to be active, nothing goes out at all.
    pub fn set_stopped(&self, stopped: bool) {
        self.stopped.store(stopped, Ordering::Release);
        self.wake();
    }

    /// Until when this node has the right to be active. May go back: to now, or to a shorter
    /// right of another kind.
    pub fn set_right_until(&self, until: Time) {
        let before = self.right_until.swap(until.0, Ordering::AcqRel);
        let now = Time::now();
        // A right that is prolonged while it lasts changes nothing for those who wait.
        if (Time(before) > now) != (until > now) {
            self.wake();
        }
    }

    /// Until when this node has the right to be active.
    #[must_use]
    pub fn right_until(&self) -> Time {
        Time(self.right_until.load(Ordering::Acquire))
    }

    /// Whether this node has the right to send anything at all, now.
    #[must_use]
    pub fn has_right(&self) -> bool {
        !self.stopped.load(Ordering::Acquire) && Time::now() < self.right_until()
    }

    /// Whether an output that depends on the first `events` events may go, now.
    #[must_use]
    pub fn may_go(&self, events: u64) -> bool {
        // The clock last: nothing that could take long stands between it and the answer.
        self.is_committed(events) && self.has_right()
    }

    fn is_committed(&self, events: u64) -> bool {
        if self.alone.load(Ordering::Acquire) {
            return true;
        }
        let lag = events.saturating_sub(self.applied.load(Ordering::Acquire));
        self.committed.load(Ordering::Acquire) >= events
            && lag <= self.lag_max.load(Ordering::Acquire)
    }

    /// How many events the standby has stored.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// How many events the standby has replayed.
    #[must_use]
    pub fn replayed(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Has `waker` called after every change, on the thread that made it. It must be short.
    pub fn subscribe(&self, waker: impl Fn() + Send + Sync + 'static) {
        self.lock().push(Box::new(waker));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        for waker in self.lock().iter() {
            waker();
        }
    }
}

impl std::fmt::Debug for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commit")
            .field("committed", &self.committed)
            .field("applied", &self.applied)
            .field("alone", &self.alone)
            .field("stopped", &self.stopped)
            .field("right_until", &self.right_until)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn output_waits_for_what_it_depends_on() {
        let commit = Commit::new(10);
        assert!(commit.may_go(0) && !commit.may_go(1));
        commit.advance(20);
        assert!(
            commit.may_go(10) && !commit.may_go(11),
            "the replay is behind"
        );
        commit.applied(10);
        assert!(commit.may_go(20) && !commit.may_go(21));
        commit.set_alone(true);
        assert!(commit.may_go(1000));
        commit.set_stopped(true);
        assert!(!commit.may_go(0));
    }

    #[test]
    fn a_right_ends_by_itself() {
        let commit = Commit::new(0);
        commit.set_alone(true);
        assert!(commit.may_go(7), "a node that nobody limits may go");
        let until = Time::now().after(std::time::Duration::from_millis(20));
        commit.set_right_until(until);
        while Time::now() < until {
            std::hint::spin_loop();
        }
        assert!(!commit.may_go(7) && !commit.may_go(0) && !commit.has_right());
        commit.set_right_until(Time::FOREVER);
        assert!(commit.may_go(7));
    }

    #[test]
    fn nothing_goes_back_and_changes_are_told() {
        let commit = Commit::new(u64::MAX);
        let told = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&told);
        commit.subscribe(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        commit.advance(5);
        commit.advance(3);
        assert_eq!(commit.committed(), 5);
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
}
