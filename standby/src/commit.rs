//! How far the standby has the journal: what the link reports, and the gate waits for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

type Waker = Box<dyn Fn() + Send + Sync>;

/// The output commit rule, shared by link, gate and role. Counts are of events from the start of
/// the journal.
#[derive(Default)]
pub struct Commit {
    committed: AtomicU64,
    applied: AtomicU64,
    lag_max: AtomicU64,
    alone: AtomicBool,
    stopped: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Commit {
    /// Nothing is committed, and output waits. `lag_max` is how many events the standby's
    /// replay may be behind before output waits for it.
    #[must_use]
    pub fn new(lag_max: u64) -> Self {
        Self {
            lag_max: AtomicU64::new(lag_max),
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

    /// Without a standby (by a decision of the role) nothing waits for one.
    pub fn set_alone(&self, alone: bool) {
        self.alone.store(alone, Ordering::Release);
        self.wake();
    }

    /// Without the right to be active, nothing goes out at all.
    pub fn set_stopped(&self, stopped: bool) {
        self.stopped.store(stopped, Ordering::Release);
        self.wake();
    }

    /// Whether an output that depends on the first `events` events may go.
    #[must_use]
    pub fn may_go(&self, events: u64) -> bool {
        if self.stopped.load(Ordering::Acquire) {
            return false;
        }
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
