//! The hardware counter: retired conditional branches as the CPU's performance monitoring unit
//! (PMU) counts them.
//!
//! ```text
//!  events.rs   which raw event counts them, by CPU       (data)
//!  counter.rs  what a counter of one thread can do       (trait)
//!  sys/        ... by perf_event_open                    (all unsafe)
//!  simulated.rs  ... without a PMU, with every fault that PMUs were seen to have
//!  seek/       from here to a target position            (pure: asks, and is told of stops)
//!  probe/      is this machine's counter fit for that?   (measures, then judges)
//!  choice.rs   which counter to use, and why
//! ```
//!
//! A count is believed only after the probe has seen it be exact, and a position only when
//! count, address and signature agree. A counter that is wrong *and* leaves address and signature
//! right cannot be told from one that is right by looking at positions. So whoever uses this must
//! also compare the counts at sync points with the recorded ones, where a wrong count shows.
//!
//! It knows nothing of ptrace: who traces a thread stops it, steps it and sets breakpoints when
//! [`Seek`] asks for it.

mod choice;
mod counter;
mod cpu;
mod environment;
mod events;
mod probe;
mod seek;
mod simulated;
mod sys;

pub use choice::{ChoiceError, Chosen, CounterChoice, UnknownChoice, choose};
pub use counter::{
    BranchCounter, CounterError, CounterSource, CounterSpec, OpenError, Period, RawEvent, Thread,
};
pub use cpu::{Cpu, Vendor};
pub use environment::{Environment, Pmu};
pub use events::{Known, candidates, known};
pub use probe::{
    Bench, EventMeasured, Finding, Findings, MeasureError, Measured, Severity, Usable, Work,
};
pub use probe::{judge, measure, probe};
pub use seek::{Ask, Limits, Place, Seek, SeekError, SeekStats, Target, Why};
pub use simulated::{Faults, SimulatedCounter, SimulatedPmu};
pub use sys::perf::{PerfCounter, PerfEvents};
