//! Notices a thread that computes for long without a sync point while others wait: until
//! positions can be exact there, it cannot be preempted.

use crate::sys::wait::Pid;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

/// How long is long.
pub const LONG: Duration = Duration::from_secs(2);

/// Shared between the recorder and whoever looks after it.
#[derive(Debug, Default)]
pub struct Watch {
    /// The thread that has the logical CPU; 0: none.
    running: AtomicI32,
    /// Somebody waits for it.
    contended: AtomicBool,
    /// Raised whenever a thread is resumed.
    resumptions: AtomicU64,
}

impl Watch {
    /// `tid` is about to be resumed.
    pub fn runs(&self, tid: Pid, contended: bool) {
        self.running.store(tid.0, Ordering::Relaxed);
        self.contended.store(contended, Ordering::Relaxed);
        self.resumptions.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody else became ready.
    pub fn somebody_waits(&self) {
        self.contended.store(true, Ordering::Relaxed);
    }

    /// No thread has the logical CPU.
    pub fn nobody_runs(&self) {
        self.running.store(0, Ordering::Relaxed);
    }

    /// The thread that has run since the last look, if that was `LONG` ago or more, and
    /// others wait. `last` keeps what was seen.
    #[must_use]
    pub fn look(&self, last: &mut (u64, i32)) -> Option<Pid> {
        let now = (
            self.resumptions.load(Ordering::Relaxed),
            self.running.load(Ordering::Relaxed),
        );
        let same = now == *last && now.1 != 0;
        *last = now;
        (same && self.contended.load(Ordering::Relaxed)).then_some(Pid(now.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_contended_thread_without_progress_is_named() {
        let watch = Watch::default();
        let mut last = (0, 0);
        watch.runs(Pid(7), false);
        assert_eq!(watch.look(&mut last), None, "first look");
        assert_eq!(watch.look(&mut last), None, "nobody waits");
        watch.somebody_waits();
        assert_eq!(watch.look(&mut last), Some(Pid(7)));
        watch.runs(Pid(7), true);
        assert_eq!(watch.look(&mut last), None, "it made progress");
        watch.nobody_runs();
        assert_eq!(watch.look(&mut last), None, "a first look at nobody");
        assert_eq!(watch.look(&mut last), None, "nobody runs");
    }
}
