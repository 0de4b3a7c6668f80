//! A digest of what the replayed program did, taken from the program itself and from
//! nothing else: its registers at each of its stops, the memory that it handed to the
//! kernel, the clocks that it read, and what it wrote to the standard streams. Of the
//! journal only the names of the threads go into it. Comparing with the journal says that a
//! replay did what was recorded; equal digests say that two replays did the same.

use crate::sys::wait::Status;
use journal::{In, Tid};
use pmu::Regs;
use xxhash_rust::xxh3::Xxh3;

/// The digest so far.
#[derive(Default)]
pub struct Observed(Xxh3);

/// What kind of thing follows, so that no two sequences look alike.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Stop,
    Input,
    Output,
    Clocks,
}

impl Observed {
    /// A thread stopped with these registers.
    pub fn stop(&mut self, thread: Tid, status: Status, regs: &Regs) {
        let (what, detail) = match status {
            Status::Ended(status) => (0, status),
            Status::Signal(signal) => (1, signal),
            Status::Syscall => (2, 0),
            Status::Event(event) => (3, event),
            Status::Stop(signal) => (4, signal),
        };
        self.begin(Kind::Stop, what);
        self.0.update(&thread.0.to_le_bytes());
        self.0.update(&detail.to_le_bytes());
        self.0.update(&regs.orig_rax.to_le_bytes());
        self.0.update(&regs.visible());
    }

    /// It handed this memory to the kernel.
    pub fn input(&mut self, pieces: &[In<'_>]) {
        for piece in pieces {
            self.begin(Kind::Input, piece.len);
            self.0.update(&piece.addr.to_le_bytes());
            self.0.update(&piece.sum.to_le_bytes());
            self.0.update(&piece.head);
        }
    }

    /// It wrote to a standard stream.
    pub fn output(&mut self, stream: u8, bytes: &[u8]) {
        self.begin(Kind::Output, bytes.len() as u64);
        self.0.update(&[stream]);
        self.0.update(bytes);
    }

    /// It read clocks so many times without a stop.
    pub fn clocks(&mut self, count: usize) {
        self.begin(Kind::Clocks, count as u64);
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.0.digest128()
    }

    fn begin(&mut self, kind: Kind, detail: u64) {
        self.0.update(&[kind as u8]);
        self.0.update(&detail.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(feed: impl FnOnce(&mut Observed)) -> u128 {
        let mut observed = Observed::default();
        feed(&mut observed);
        observed.digest()
    }

    #[test]
    fn every_difference_counts() {
        let regs = Regs {
            rax: 1,
            rbx: 2,
            ..Regs::default()
        };
        let base = of(|observed| observed.stop(Tid(1), Status::Event(7), &regs));
        let others = [
            of(|observed| observed.stop(Tid(2), Status::Event(7), &regs)),
            of(|observed| observed.stop(Tid(1), Status::Signal(7), &regs)),
            of(|observed| observed.stop(Tid(1), Status::Event(6), &regs)),
            of(|observed| {
                let regs = Regs { rbx: 3, ..regs };
                observed.stop(Tid(1), Status::Event(7), &regs);
            }),
            of(|observed| {
                let regs = Regs {
                    orig_rax: 3,
                    ..regs
                };
                observed.stop(Tid(1), Status::Event(7), &regs);
            }),
            of(|observed| observed.output(1, b"text")),
            of(|observed| observed.output(2, b"text")),
            of(|observed| {
                observed.output(1, b"te");
                observed.output(1, b"xt");
            }),
            of(|observed| observed.clocks(1)),
            of(|_| {}),
        ];
        let mut all = vec![base];
        all.extend(others);
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        let again = of(|observed| observed.stop(Tid(1), Status::Event(7), &regs));
        assert_eq!(again, base);
    }
}
