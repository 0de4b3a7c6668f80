//! How far a journal has come that somebody in this process writes: wakes readers at once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Told by who writes, waited for by who reads ([`crate::Follow::progress`]).
#[derive(Debug, Default)]
pub struct Progress {
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    events: u64,
    stopped: bool,
    waiting: u32,
}

impl Progress {
    /// The first `events` events can be read now. Never goes back.
    pub fn advance(&self, events: u64) {
        let mut state = self.lock();
        state.events = state.events.max(events);
        if state.waiting > 0 {
            self.grown.notify_all();
        }
    }

    /// No more will come: readers read what is there, and do not wait any more.
    pub fn stop(&self) {
        self.lock().stopped = true;
        self.grown.notify_all();
    }

    /// How many events can be read.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.lock().events
    }

    /// Whether no more will come.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Waits for more than `count` events, or the end, at most for `patience` (for ever
    /// without); whether there is a point in looking.
    #[must_use]
    pub fn wait(&self, count: u64, patience: Option<Duration>) -> bool {
        // A deadline beyond what the clock can say is none.
        let deadline = patience.and_then(|patience| Instant::now().checked_add(patience));
        let mut state = self.lock();
        while state.events <= count && !state.stopped {
            state.waiting += 1;
            let mut left = None;
            state = match deadline {
                None => self
                    .grown
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let time = deadline.saturating_duration_since(Instant::now());
                    left = Some(time);
                    self.grown
                        .wait_timeout(state, time)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
            state.waiting -= 1;
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
        }
        state.events > count || state.stopped
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_more_with_the_end_and_with_patience() {
        let progress = Progress::default();
        assert!(!progress.wait(0, Some(Duration::from_millis(1))));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| progress.wait(4, None));
            for events in [3, 5, 4] {
                progress.advance(events);
            }
            assert!(waiting.join().expect("no panic"));
            let waiting = scope.spawn(|| progress.wait(5, None));
            progress.stop();
            assert!(waiting.join().expect("no panic"));
        });
        assert_eq!((progress.events(), progress.is_stopped()), (5, true));
        assert!(progress.wait(u64::MAX, None));
    }
}
