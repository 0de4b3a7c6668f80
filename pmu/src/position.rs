//! The position type that records and replays agree on.

use crate::Signature;
use serde::{Deserialize, Serialize};

/// Index of a sync point in one thread, counted from 0 at the thread's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SyncIndex(pub u64);

/// Conditional branches retired since the last sync point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rcb(pub u64);

/// How the RCB count of a position was obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Counter {
    /// The position is a sync point itself: nothing had to be counted.
    SyncPoint,
    /// A performance counter of the CPU.
    Hardware,
    /// The translator's count.
    Software,
    /// Single-stepping.
    Stepped,
    /// None: the position is where the thread has a certain state, of registers and memory.
    State,
}

/// A point in one thread's execution, exact to the instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The last sync point passed.
    pub sync: SyncIndex,
    /// Conditional branches retired since.
    pub rcb: Rcb,
    /// Address of the next instruction to execute.
    pub ip: u64,
    /// Tells apart visits to `ip` that no conditional branch separates.
    pub signature: Signature,
    /// How `rcb` was obtained.
    pub counter: Counter,
}

impl Position {
    /// The position of the sync point itself.
    #[must_use]
    pub const fn at_sync_point(sync: SyncIndex, ip: u64, signature: Signature) -> Self {
        Self {
            sync,
            rcb: Rcb(0),
            ip,
            signature,
            counter: Counter::SyncPoint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_point_has_counted_no_branch() {
        let at = Position::at_sync_point(SyncIndex(3), 0x1000, Signature(7));
        assert_eq!((at.rcb, at.counter), (Rcb(0), Counter::SyncPoint));
    }
}
