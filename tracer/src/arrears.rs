//! What the application has done and the journal does not have yet. Calls that the agent serves stay in
//! a ring until the recorder takes them out, at the latest at the thread's next stop. Whoever lets out
//! what the application sends must wait for that, and asks for it here; the recorder wakes up, takes out what
//! there is while the application goes on, and answers.

use crate::sys::tick;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

type Told = Box<dyn Fn() + Send + Sync>;

/// A hand on it. Cheap to clone.
#[derive(Clone, Default)]
pub struct Arrears(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// What is sent may be served.
    may_be: AtomicBool,
    /// No thread can execute anything before the recorder lets it, and all is journaled.
    none: AtomicBool,
    /// There is nothing any more that could execute anything, and all is journaled.
    ended: AtomicBool,
    asked: AtomicU64,
    answered: AtomicU64,
    /// The recorder's thread while it waits for the application, otherwise 0.
    waits: AtomicI32,
    told: OnceLock<Told>,
}

impl fmt::Debug for Arrears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &self.0;
        f.debug_struct("Arrears")
            .field("may_be", &shared.may_be)
            .field("asked", &shared.asked)
            .field("answered", &shared.answered)
            .finish_non_exhaustive()
    }
}

impl Arrears {
    /// From now on somebody asks before what is sent goes out; `told` is called after every answer, by
    /// the recorder's thread. The second one who says so is not heard.
    pub fn subscribe(&self, told: impl Fn() + Send + Sync + 'static) {
        let _ = self.0.told.set(Box::new(told));
    }

    /// Whether there may be any. If not, the journal has all that led to what has been sent.
    #[must_use]
    pub fn may_be(&self) -> bool {
        self.0.may_be.load(Ordering::SeqCst)
    }

    /// Whether all that the application has done before this was called is in the journal. If not, that
    /// may be asked for.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.0.none.load(Ordering::SeqCst) || self.are_over()
    }

    /// Whether the application has ended by itself, and all that it has done is in the journal.
    #[must_use]
    pub fn are_over(&self) -> bool {
        self.0.ended.load(Ordering::SeqCst)
    }

    /// Asks that all the application has done until now be journaled. The number of the question.
    pub fn ask(&self) -> u64 {
        let number = self.0.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.remind();
        number
    }

    /// Wakes the recorder, if it sleeps and a question is open. It may miss that, if it is just about to
    /// sleep.
    pub fn remind(&self) {
        let thread = self.0.waits.load(Ordering::SeqCst);
        if thread != 0 && self.open().is_some() {
            tick::interrupt(thread);
        }
    }

    /// The number up to which questions are answered: everything that was done before one of these was
    /// asked has been appended.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.0.answered.load(Ordering::Acquire)
    }

    /// What is sent is going to be served from now on, if somebody asks before it goes out. Whether
    /// that is so.
    pub(crate) fn begin(&self) -> bool {
        let heard = self.0.told.get().is_some();
        if heard {
            self.0.may_be.store(true, Ordering::SeqCst);
        }
        heard
    }

    /// The last question, if it is open.
    pub(crate) fn open(&self) -> Option<u64> {
        let asked = self.0.asked.load(Ordering::SeqCst);
        (asked != self.0.answered.load(Ordering::Relaxed)).then_some(asked)
    }

    /// The recorder has journaled everything that was done before question `number`.
    pub(crate) fn answer(&self, number: u64) {
        self.0.answered.store(number, Ordering::Release);
        if let Some(told) = self.0.told.get() {
            told();
        }
    }

    /// The application has ended, and all that it has done is in the journal: nobody will answer any more.
    pub fn end(&self) {
        self.0.ended.store(true, Ordering::SeqCst);
        if let Some(told) = self.0.told.get() {
            told();
        }
    }

    /// The recorder's `thread` waits in `wait`, which ends with `woken` if there is, or comes, a question.
    /// `none`: see [`Arrears::are_none`].
    pub(crate) fn wait<T>(&self, thread: i32, none: bool, woken: T, wait: impl FnOnce() -> T) -> T {
        if !self.may_be() {
            return wait();
        }
        self.0.none.store(none, Ordering::SeqCst);
        self.0.waits.store(thread, Ordering::SeqCst);
        let result = if self.open().is_some() { woken } else { wait() };
        self.0.waits.store(0, Ordering::SeqCst);
        self.0.none.store(false, Ordering::SeqCst);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn questions_are_answered_together() {
        let arrears = Arrears::default();
        assert!(!arrears.begin() && !arrears.may_be());
        let times = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&times);
        arrears.subscribe(move || {
            told.fetch_add(1, Ordering::SeqCst);
        });
        assert!(arrears.begin() && arrears.may_be());
        assert_eq!(arrears.open(), None);
        assert_eq!((arrears.ask(), arrears.ask()), (1, 2));
        assert_eq!((arrears.open(), arrears.answered()), (Some(2), 0));
        arrears.answer(2);
        assert_eq!((arrears.open(), arrears.answered()), (None, 2));
        assert_eq!(times.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn nobody_sleeps_over_a_question() {
        let arrears = Arrears::default();
        arrears.subscribe(|| {});
        assert!(arrears.begin());
        assert_eq!(arrears.wait(0, false, "woken", || "slept"), "slept");
        arrears.ask();
        assert_eq!(arrears.wait(0, false, "woken", || "slept"), "woken");
        arrears.answer(1);
        assert_eq!(arrears.wait(0, false, "woken", || "slept"), "slept");
    }

    #[test]
    fn who_asks_the_last_question_is_not_left_waiting() {
        let arrears = Arrears::default();
        let times = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&times);
        arrears.subscribe(move || {
            told.fetch_add(1, Ordering::SeqCst);
        });
        assert!(arrears.begin());
        arrears.ask();
        assert!(!arrears.are_none());
        arrears.end();
        assert!(arrears.are_none() && arrears.are_over());
        assert_eq!(times.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn there_are_none_only_while_nobody_executes_anything() {
        let arrears = Arrears::default();
        arrears.subscribe(|| {});
        assert!(arrears.begin() && !arrears.are_none());
        assert!(arrears.wait(0, true, false, || arrears.are_none()));
        assert!(!arrears.are_none());
        assert!(!arrears.wait(0, false, true, || arrears.are_none()));
    }
}
