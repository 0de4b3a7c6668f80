//! What a counter of one thread's conditional branches can do, whoever implements it.

use crate::Rcb;
use std::fmt;

/// A raw event of the CPU's PMU, as `perf_event_attr.config` of `PERF_TYPE_RAW` takes it.
///
/// Bits 0–7 are the event select, 8–15 the unit mask. The bits 16, 20 and 22 that tables often
/// have set (`0x51....`: user mode, interrupt, enable) are the kernel's to set; it ignores them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawEvent(pub u64);

impl fmt::Display for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Conditional branches from the setting of the period until the counter overflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(u64);

impl Period {
    /// So long that it never ends: 2⁶² branches are centuries. The kernel refuses periods from
    /// 2⁶³ on, and makes no sampling counter of one that was opened without a period.
    pub const NEVER: Self = Self(1 << 62);

    /// `None` for 0, and for what is longer than [`NEVER`](Self::NEVER).
    #[must_use]
    pub const fn new(branches: u64) -> Option<Self> {
        if branches == 0 || branches > Self::NEVER.0 {
            None
        } else {
            Some(Self(branches))
        }
    }

    /// The number of branches.
    #[must_use]
    pub const fn branches(self) -> u64 {
        self.0
    }
}

/// Whom a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thread {
    /// The thread that opens it.
    Calling,
    /// The thread with this id, in the PID namespace of the one that opens the counter.
    Id(i32),
}

/// What is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterSpec {
    /// What to count.
    pub event: RawEvent,
    /// Number of the PMU (`perf_event_attr.type`); [`CounterSpec::ANY_CORE`] unless the CPU is a
    /// hybrid.
    pub pmu: u32,
    /// Whose branches.
    pub thread: Thread,
    /// The signal that the thread gets when the counter overflows.
    pub signal: i32,
    /// The period in the beginning.
    pub period: Period,
}

impl CounterSpec {
    /// `PERF_TYPE_RAW`: the PMU of the cores, where all of them are of one kind.
    pub const ANY_CORE: u32 = 4;

    /// A counter of the thread that opens it.
    #[must_use]
    pub const fn of_calling_thread(event: RawEvent, signal: i32) -> Self {
        Self {
            event,
            pmu: Self::ANY_CORE,
            thread: Thread::Calling,
            signal,
            period: Period::NEVER,
        }
    }
}

/// Why a counter cannot be opened: the kernel's error number, and what was asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}: error {errno}")]
pub struct OpenError {
    /// The system call.
    pub what: &'static str,
    /// `errno`.
    pub errno: i32,
}

/// Why an open counter does not do what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CounterError {
    /// The CPU has no counter left for it.
    #[error(
        "the CPU's counters are taken: by another user of performance events, or the NMI watchdog"
    )]
    NotScheduled,
    /// The kernel refused.
    #[error("{what}: error {errno}")]
    Kernel {
        /// The system call.
        what: &'static str,
        /// `errno`.
        errno: i32,
    },
}

/// A counter of one thread's retired conditional branches in user mode. It is disabled when it
/// was just opened.
pub trait BranchCounter {
    /// Starts counting, from where it stopped.
    fn enable(&mut self) -> Result<(), CounterError>;
    /// Stops counting.
    fn disable(&mut self) -> Result<(), CounterError>;
    /// Sets the count to 0. The period goes on.
    fn reset(&mut self) -> Result<(), CounterError>;
    /// From now on, after this many branches and then again and again, the thread gets the signal.
    fn set_period(&mut self, period: Period) -> Result<(), CounterError>;
    /// The count since [`reset`](Self::reset). Exact if the thread does not run, or is the caller.
    fn read(&mut self) -> Result<Rcb, CounterError>;
    /// The signal that the thread gets.
    fn signal(&self) -> i32;
}

/// What opens counters: the kernel, or a simulation.
pub trait CounterSource {
    /// What it opens.
    type Counter: BranchCounter;
    /// Opens one.
    fn open(&mut self, spec: &CounterSpec) -> Result<Self::Counter, OpenError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_what_the_kernel_takes() {
        assert_eq!(Period::new(0), None);
        assert_eq!(Period::new(u64::MAX), None);
        assert_eq!(Period::new((1 << 62) + 1), None);
        assert_eq!(Period::new(1 << 62), Some(Period::NEVER));
        assert_eq!(Period::new(1).map(Period::branches), Some(1));
    }
}
