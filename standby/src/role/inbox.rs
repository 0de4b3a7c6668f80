//! A queue for threads that run before others ([`super::sys::hurry`]). What they wait for is a lock, and not a
//! turn of their own: a channel without locks has its reader spin until a writer is done that was interrupted in its
//! midst. If that one has to wait for the reader's CPU, both stand still until the kernel takes the CPU away from the
//! reader, which is after most of a second: both nodes look dead.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What came of waiting.
#[derive(Debug, PartialEq, Eq)]
pub enum Popped<T> {
    /// The first that was there.
    Item(T),
    /// Nothing came in time.
    Late,
    /// Nobody is to wait any more.
    Closed,
}

#[derive(Debug)]
struct State<T> {
    queue: VecDeque<T>,
    closed: bool,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    grown: Condvar,
}

/// A hand on the queue. Cheap to clone.
#[derive(Debug)]
pub struct Inbox<T>(Arc<Shared<T>>);

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                closed: false,
            }),
            grown: Condvar::new(),
        }))
    }
}

impl<T> Inbox<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends. Never waits for a reader; once the queue is closed, nobody hears of it.
    pub fn push(&self, item: T) {
        self.push_within(item, usize::MAX);
    }

    /// The same, if not as many as `max` wait: otherwise it is dropped.
    pub fn push_within(&self, item: T, max: usize) {
        let mut state = self.lock();
        if state.closed || state.queue.len() >= max {
            return;
        }
        state.queue.push_back(item);
        drop(state);
        self.0.grown.notify_one();
    }

    /// Takes the first, or waits for one until `until`, for ever without.
    pub fn pop(&self, until: Option<Instant>) -> Popped<T> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Popped::Closed;
            }
            if let Some(item) = state.queue.pop_front() {
                return Popped::Item(item);
            }
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => self
                    .0
                    .grown
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return Popped::Late,
                Some(left) => {
                    self.0
                        .grown
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    /// Ends all waiting, at once.
    pub fn close(&self) {
        self.lock().closed = true;
        self.0.grown.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;
    use std::time::Duration;

    #[test]
    fn first_in_first_out_and_no_more_than_there_is_room_for() {
        let inbox = Inbox::default();
        let other = inbox.clone();
        other.push_within(1, 2);
        other.push_within(2, 2);
        other.push_within(3, 2);
        other.push(4);
        let taken: Vec<_> = (0..3).map(|_| inbox.pop(None)).collect();
        assert_eq!(taken, [1, 2, 4].map(Popped::Item));
        assert_eq!(inbox.pop(Some(Instant::now())), Popped::Late);
    }

    /// With a channel without locks, the reader stood still for a second three times in four seconds.
    #[test]
    fn whoever_runs_first_does_not_wait_for_a_writer_that_cannot_run() {
        const SPAN: Duration = Duration::from_secs(4);
        let here = || {
            let mut cpus = CpuSet::new();
            let all = sched_getaffinity(Pid::from_raw(0)).expect("asked");
            let first = (0..CpuSet::count()).find(|cpu| all.is_set(*cpu) == Ok(true));
            cpus.set(first.expect("a CPU")).expect("one that is there");
            sched_setaffinity(Pid::from_raw(0), &cpus).expect("set");
        };
        let end = Instant::now() + SPAN;
        let inbox = Inbox::default();
        let reader = inbox.clone();
        let reading = std::thread::spawn(move || {
            here();
            crate::role::sys::hurry();
            let (mut late, mut taken) = (0, 0_u64);
            while Instant::now() < end {
                let begun = Instant::now();
                std::thread::sleep(Duration::from_micros(300));
                while matches!(reader.pop(Some(begun)), Popped::Item(_)) {
                    taken += 1;
                }
                late += u32::from(begun.elapsed() > Duration::from_millis(700));
            }
            (late, taken)
        });
        here();
        while Instant::now() < end {
            for number in 0..20_u64 {
                inbox.push(number);
                (0..200).for_each(|_| std::hint::spin_loop());
            }
        }
        let (late, taken) = reading.join().expect("no panic");
        assert!(taken > 0);
        // Once may be the machine itself.
        assert!(late < 2, "it stood still {late} times");
    }

    #[test]
    fn waiting_ends_with_an_item_in_time_and_with_the_end() {
        let inbox = Inbox::<u8>::default();
        let begun = Instant::now();
        let until = begun + Duration::from_millis(30);
        assert_eq!(inbox.pop(Some(until)), Popped::Late);
        assert!(begun.elapsed() >= Duration::from_millis(30));
        let reader = inbox.clone();
        let thread = std::thread::spawn(move || (reader.pop(None), reader.pop(None)));
        inbox.push(7);
        while !inbox.lock().queue.is_empty() {
            std::thread::yield_now();
        }
        inbox.close();
        inbox.push(8);
        assert_eq!(
            thread.join().expect("no panic"),
            (Popped::Item(7), Popped::Closed)
        );
    }
}
