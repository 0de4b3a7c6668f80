//! How a seek ends, and what it took.

use super::Why;

/// Why a target was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeekError {
    /// Past the count.
    #[error(
        "the thread is {by} conditional branches past the position: the counter's interrupt came too late, or counts differ"
    )]
    OverRun {
        /// By how many branches.
        by: u64,
    },
    /// Past the count, and the interrupt before it never came.
    #[error(
        "the counter's interrupt, due at {due} conditional branches, was lost: the thread is at {at}"
    )]
    LostInterrupt {
        /// When it was due.
        due: u64,
        /// Where the thread was found.
        at: u64,
    },
    /// A count below one read before.
    #[error("the counter went backwards, from {from} to {to} conditional branches")]
    Backwards {
        /// Read before.
        from: u64,
        /// Read now.
        to: u64,
    },
    /// An instruction that counted what it is not.
    #[error("one instruction counted {counted} conditional branches")]
    Miscount {
        /// What it added.
        counted: u64,
    },
    /// The recorded thread passed no sync point on this way.
    #[error("the thread reached a sync point at {at} conditional branches, before the position")]
    SyncPoint {
        /// Where.
        at: u64,
    },
    /// A stop that does not follow from what was asked.
    #[error("the thread stopped in a way that was not asked for ({why:?} at {ip:#x})")]
    Unexpected {
        /// What was told.
        why: Why,
        /// Where.
        ip: u64,
    },
    /// Nothing happens.
    #[error("the thread was stopped {stops} times without getting on")]
    Stuck {
        /// How often.
        stops: u32,
    },
    /// Too far for single steps.
    #[error("the position was not found within {steps} steps")]
    Steps {
        /// As many as may be.
        steps: u64,
    },
    /// After an arrival or an error.
    #[error("the search for the position is over")]
    Over,
}

/// What it took, to be seen by people and to choose the slack by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeekStats {
    /// Interrupts that came.
    pub interrupts: u64,
    /// Of these, before they were due.
    pub early: u64,
    /// Interrupts that had not come when another stop found the thread past where they were due.
    pub lost: u64,
    /// Breakpoints that the thread ran into.
    pub breakpoints: u64,
    /// Instructions stepped.
    pub steps: u64,
    /// Branches that an interrupt came too late, at most.
    pub skid_max: u64,
}
