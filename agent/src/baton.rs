//! Who has the logical CPU, in one word that the agent and the recorder share ([`crate::layout::Ring::baton`]).
//!
//! As long as nobody waits for it whom only the recorder can let go on, the recorder leaves the word
//! *open*: the thread that has the CPU frees it when it is going to wait, and whoever comes back from a wait
//! takes it, without a stop. The recorder takes it back, as one more holder, whenever it has to do with a thread;
//! who comes back meanwhile sleeps until it is free. When nothing is going on, and while others run, the
//! recorder shuts it: then who comes back reports at once.
//!
//! Who frees the CPU has written a record of the call that it is going to wait in. That is *tentative*: if nobody
//! does anything before the thread is back, it withdraws it, and the call becomes one whole record. Whoever
//! takes the CPU in between, the recorder included, publishes it. Whether it is there, and whose, is one bit of
//! the ring's head, so that only one of the two succeeds.

use crate::layout::Ring;
use core::sync::atomic::{AtomicU32, Ordering};

/// Nobody is to take it, or to sleep for it.
pub const SHUT: u32 = 0;
/// The recorder, as a holder.
pub const RECORDER: u32 = 0;

const KIND: u32 = 3;
const HELD: u32 = 1;
const FREE: u32 = 2;
/// With [`HELD`]: somebody sleeps on the word.
const WANTED: u32 = 2;

/// Thread numbers are smaller (include/linux/threads.h, `PID_MAX_LIMIT`).
pub const THREADS_MAX: u32 = 1 << 22;

/// What the word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baton {
    /// Nobody is to take it, or to sleep for it.
    Shut,
    /// Nobody has the CPU.
    Free,
    /// This thread has it.
    Held {
        /// Which; or [`RECORDER`].
        thread: u32,
        /// Somebody sleeps until it is freed.
        wanted: bool,
    },
}

impl Baton {
    /// What a word says.
    #[must_use]
    pub const fn of(word: u32) -> Self {
        match word & KIND {
            FREE => Self::Free,
            0 => Self::Shut,
            kind => Self::Held {
                thread: word >> 2,
                wanted: kind & WANTED != 0,
            },
        }
    }

    /// The word that says it.
    #[must_use]
    pub const fn word(self) -> u32 {
        match self {
            Self::Shut => SHUT,
            Self::Free => FREE,
            Self::Held { thread, wanted } => thread << 2 | HELD | if wanted { WANTED } else { 0 },
        }
    }
}

/// Whether a thread may free the CPU.
#[inline(always)]
#[must_use]
pub fn is_open_for(word: &AtomicU32, thread: u32) -> bool {
    let baton = Baton::of(word.load(Ordering::Relaxed));
    thread != RECORDER && matches!(baton, Baton::Held { thread: by, .. } if by == thread)
}

/// The recorder says who has the CPU; what was said before. Who sleeps on the word goes on sleeping, and if
/// somebody has it, that is in the word.
#[inline]
pub fn set(word: &AtomicU32, baton: Baton) -> Baton {
    let was = Baton::of(word.swap(baton.word(), Ordering::AcqRel));
    let wanted = matches!(was, Baton::Held { wanted: true, .. });
    if wanted && matches!(baton, Baton::Held { .. }) {
        word.fetch_or(WANTED, Ordering::AcqRel);
    }
    was
}

/// The thread that has the CPU frees it: whether somebody is to be woken. `None`: the recorder has taken it
/// back.
#[inline(always)]
pub fn release(word: &AtomicU32, thread: u32) -> Option<bool> {
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let Baton::Held { thread: by, wanted } = Baton::of(seen) else {
            return None;
        };
        if by != thread {
            return None;
        }
        match word.compare_exchange(seen, FREE, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return Some(wanted),
            Err(now) => seen = now,
        }
    }
}

/// What came of asking for the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The thread has it.
    Took,
    /// Somebody else has it. The word says that it is wanted; it is this one as long as nothing changes.
    Sleep(u32),
    /// Nobody is to take it, or to sleep for it.
    Shut,
}

/// A thread asks for the CPU. `again`: it has slept on the word, as others may still do.
#[inline(always)]
pub fn ask(word: &AtomicU32, thread: u32, again: bool) -> Asked {
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let (next, asked) = match Baton::of(seen) {
            Baton::Shut => return Asked::Shut,
            Baton::Free => {
                let held = Baton::Held {
                    thread,
                    wanted: again,
                };
                (held.word(), Asked::Took)
            }
            Baton::Held { wanted: true, .. } => return Asked::Sleep(seen),
            Baton::Held { thread: by, .. } => {
                let wanted = Baton::Held {
                    thread: by,
                    wanted: true,
                };
                (wanted.word(), Asked::Sleep(wanted.word()))
            }
        };
        match word.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return asked,
            Err(now) => seen = now,
        }
    }
}

/// In the ring's head, which else is a multiple of eight: the entry of a wait stands behind it, and is as long as
/// another word says. That word is written before the bit, and again only by who has the CPU, and nothing is
/// tentative then.
const TENTATIVE: u64 = 1;

/// How far the ring is written, without what is tentative.
#[inline(always)]
#[must_use]
pub fn written(ring: &Ring) -> u64 {
    ring.head.load(Ordering::Acquire) & !TENTATIVE
}

/// The record behind the head, of so many bytes, is tentative from now on. By the thread that has the CPU.
#[inline(always)]
pub fn tend(ring: &Ring, len: u64) {
    ring.tentative.store(len, Ordering::Relaxed);
    let at = ring.head.load(Ordering::Relaxed);
    ring.head.store(at | TENTATIVE, Ordering::Release);
}

/// Publishes what is tentative. By whoever has just taken the CPU.
#[inline(always)]
pub fn publish(ring: &Ring) {
    let at = ring.head.load(Ordering::Acquire);
    if at & TENTATIVE != 0 {
        let behind = (at & !TENTATIVE).wrapping_add(ring.tentative.load(Ordering::Relaxed));
        // Otherwise somebody else has dealt with it.
        let (done, seen) = (Ordering::AcqRel, Ordering::Relaxed);
        let _ = ring.head.compare_exchange(at, behind, done, seen);
    }
}

/// Withdraws the record that the thread has made tentative at `at`; false if it has been published.
#[inline(always)]
#[must_use]
pub fn withdraw(ring: &Ring, at: u64) -> bool {
    let (done, seen) = (Ordering::AcqRel, Ordering::Relaxed);
    let withdrawn = ring.head.compare_exchange(at | TENTATIVE, at, done, seen);
    withdrawn.is_ok()
}

/// Nothing is tentative any more, while nobody has the CPU: who has made it so was killed before it could free it.
#[inline]
pub fn settle(ring: &Ring) {
    if ring.head.load(Ordering::Relaxed) & TENTATIVE != 0 {
        ring.head.fetch_and(!TENTATIVE, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU64;

    /// The head of a ring, and nothing else.
    fn ring(head: u64) -> Ring {
        Ring {
            head: AtomicU64::new(head),
            tail: AtomicU64::new(0),
            stop: AtomicU32::new(0),
            baton: AtomicU32::new(SHUT),
            changes: AtomicU32::new(0),
            answers_for: AtomicU32::new(0),
            tentative: AtomicU64::new(0),
            feed_len: AtomicU64::new(0),
            feed_used: AtomicU64::new(0),
            answers: [const { AtomicU64::new(0) }; crate::layout::ANSWERS_LEN],
        }
    }

    #[test]
    fn every_word_says_one_thing() {
        let last = THREADS_MAX - 1;
        for baton in [
            Baton::Shut,
            Baton::Free,
            Baton::Held {
                thread: 1,
                wanted: false,
            },
            Baton::Held {
                thread: last,
                wanted: true,
            },
        ] {
            assert_eq!(Baton::of(baton.word()), baton);
        }
    }

    #[test]
    fn who_sleeps_is_told_of_until_nobody_does() {
        let held = Baton::Held {
            thread: 5,
            wanted: false,
        };
        let word = AtomicU32::new(held.word());
        assert_eq!(release(&word, 6), None);
        assert_eq!(release(&word, 5), Some(false));
        assert_eq!(ask(&word, 6, false), Asked::Took);
        let Asked::Sleep(seen) = ask(&word, 5, false) else {
            panic!("it is held");
        };
        assert_eq!(word.load(Ordering::Relaxed), seen);
        assert_eq!(ask(&word, 7, false), Asked::Sleep(seen));
        assert_eq!(release(&word, 6), Some(true));
        // Who slept says that others may.
        assert_eq!(ask(&word, 7, true), Asked::Took);
        assert_eq!(release(&word, 7), Some(true));
        word.store(SHUT, Ordering::Relaxed);
        assert_eq!(ask(&word, 5, false), Asked::Shut);
        assert_eq!(release(&word, 7), None);
    }

    #[test]
    fn the_recorder_takes_it_back_and_gives_it_away_without_forgetting_who_sleeps() {
        let held = |thread| Baton::Held {
            thread,
            wanted: false,
        };
        let word = AtomicU32::new(held(5).word());
        assert!(is_open_for(&word, 5) && !is_open_for(&word, 6));
        assert!(matches!(ask(&word, 6, false), Asked::Sleep(_)));
        let wanted = Baton::Held {
            thread: 5,
            wanted: true,
        };
        assert_eq!(set(&word, held(RECORDER)), wanted);
        assert_eq!(release(&word, 5), None);
        assert!(!is_open_for(&word, 5) && !is_open_for(&word, RECORDER));
        assert!(matches!(ask(&word, 7, false), Asked::Sleep(_)));
        set(&word, held(5));
        assert_eq!(release(&word, 5), Some(true));
        assert_eq!(set(&word, held(RECORDER)), Baton::Free);
        set(&word, Baton::Shut);
        assert_eq!(word.load(Ordering::Relaxed), SHUT);
    }

    #[test]
    fn what_is_tentative_is_published_or_withdrawn() {
        let ring = ring(800);
        tend(&ring, 200);
        assert!(withdraw(&ring, 800));
        assert_eq!(written(&ring), 800);
        tend(&ring, 208);
        publish(&ring);
        publish(&ring);
        assert_eq!(written(&ring), 1008);
        assert!(!withdraw(&ring, 800));
        tend(&ring, 200);
        assert_eq!(written(&ring), 1008);
        assert!(!withdraw(&ring, 800));
        assert!(withdraw(&ring, 1008));
        tend(&ring, 200);
        settle(&ring);
        settle(&ring);
        assert_eq!(ring.head.load(Ordering::Relaxed), 1008);
    }

    /// What threads do that hand the CPU on, while somebody looks every now and then.
    #[test]
    fn records_of_all_threads_come_in_order_and_once() {
        use std::vec::Vec;
        const THREADS: u32 = 3;
        const ROUNDS: u32 = 20_000;
        const BYTES: u64 = 8;
        let (word, ring) = (AtomicU32::new(FREE), ring(0));
        // What stands in the ring, by the number of the record: who wrote it, and whether it is an entry.
        let records: Vec<AtomicU32> = (0..THREADS * ROUNDS * 2)
            .map(|_| AtomicU32::new(0))
            .collect();
        let place = |at: u64| &records[usize::try_from(at / BYTES).expect("small")];
        let take = |thread: u32, again: &mut bool| {
            while ask(&word, thread, *again) != Asked::Took {
                *again = true;
                std::thread::yield_now();
            }
        };
        std::thread::scope(|scope| {
            for thread in 1..=THREADS {
                let (word, ring, place, take) = (&word, &ring, &place, &take);
                scope.spawn(move || {
                    take(thread, &mut false);
                    publish(ring);
                    for _ in 0..ROUNDS {
                        let at = written(ring);
                        place(at).store(thread << 1 | 1, Ordering::Relaxed);
                        tend(ring, BYTES);
                        assert!(release(word, thread).is_some());
                        take(thread, &mut false);
                        let at = if withdraw(ring, at) {
                            at
                        } else {
                            publish(ring);
                            written(ring)
                        };
                        place(at).store(thread << 1, Ordering::Relaxed);
                        ring.head.store(at + BYTES, Ordering::Release);
                    }
                    assert!(release(word, thread).is_some());
                });
            }
        });
        let written = written(&ring) / BYTES;
        let mut waits = [false; THREADS as usize + 1];
        let mut done = 0;
        for record in &records[..usize::try_from(written).expect("small")] {
            let record = record.load(Ordering::Relaxed);
            let thread = &mut waits[usize::try_from(record >> 1).expect("small")];
            let enters = record & 1 != 0;
            assert!(!(*thread && enters), "it waits already");
            *thread = enters;
            done += u32::from(!enters);
        }
        assert_eq!(done, THREADS * ROUNDS);
    }
}
