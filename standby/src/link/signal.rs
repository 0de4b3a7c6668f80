//! Wakes one thread, for whatever reason there is to look again.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Remembers one wake-up.
#[derive(Debug, Default)]
pub(super) struct Signal {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub fn wake(&self) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *woken, true) {
            self.changed.notify_one();
        }
    }

    /// Waits until somebody wakes, or has woken since the last wait.
    pub fn wait(&self, patience: Duration) {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut woken, _) = self
            .changed
            .wait_timeout_while(woken, patience, |woken| !*woken)
            .unwrap_or_else(PoisonError::into_inner);
        *woken = false;
    }
}
