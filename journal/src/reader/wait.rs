//! Waiting for more of a journal that is still being written.

use super::Progress;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The pauses between looks grow while nothing comes.
const PAUSE_FIRST: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// How to wait for more.
#[derive(Debug, Clone, Default)]
pub struct Follow {
    /// How long at most for the next event; forever without it.
    pub timeout: Option<Duration>,
    /// Stops waiting when it becomes true.
    pub cancel: Option<Arc<AtomicBool>>,
    /// Who writes the journal tells of it here, so that nothing is looked for in vain and
    /// everything is read at once. [`Progress::stop`] ends the waiting.
    pub progress: Option<Arc<Progress>>,
}

impl Follow {
    /// Whether event `next` is known to be there.
    pub(super) fn has(&self, next: u64) -> bool {
        let told = self.progress.as_ref();
        told.is_some_and(|progress| progress.events() > next)
    }

    fn is_cancelled(&self) -> bool {
        self.cancel
            .as_ref()
            .is_some_and(|cancel| cancel.load(Ordering::Relaxed))
    }

    /// Waits until there is a point in looking for event `next`.
    pub(super) fn wait_for(&self, next: u64) -> bool {
        let Some(progress) = &self.progress else {
            return true;
        };
        if self.cancel.is_none() {
            return progress.wait(next, self.timeout);
        }
        let end = self
            .timeout
            .and_then(|time| Instant::now().checked_add(time));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let pause = left.map_or(PAUSE_MAX, |left| left.min(PAUSE_MAX));
            if progress.wait(next, Some(pause)) {
                return true;
            }
            if self.is_cancelled() || left.is_some_and(|left| left.is_zero()) {
                return false;
            }
        }
    }
}

/// One wait.
pub(super) struct Patience {
    deadline: Option<Instant>,
    pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            deadline: None,
            pause: PAUSE_FIRST,
        }
    }
}

impl Patience {
    /// Pauses; `false` when there is no point in looking again.
    pub fn wait(&mut self, follow: &Follow) -> bool {
        let told = follow.progress.as_ref();
        if follow.is_cancelled() || told.is_some_and(|told| told.is_stopped()) {
            return false;
        }
        let now = Instant::now();
        let mut pause = self.pause;
        // A deadline beyond what the clock can say is none.
        if let Some(deadline) = self.deadline.or_else(|| now.checked_add(follow.timeout?)) {
            self.deadline = Some(deadline);
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return false;
            }
            pause = pause.min(left);
        }
        std::thread::sleep(pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        true
    }
}
