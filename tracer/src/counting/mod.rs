//! Threads whose conditional branches are counted: they run in a *code cache* ([`pmu::translate`]) in
//! their address space, and can be stopped at any instruction while recording, and at the same one in
//! replay.
//!
//! | module | what it does |
//! |---|---|
//! | `cache` | the code cache of one address space: what the translator wants written, what a stop means |
//! | `code` | the application's code, as it would be without anything that was rewritten |
//! | `changes` | which syscalls change code |
//! | `rep` | string instructions that are interrupted in the middle |
//! | `spin` | loops that wait for somebody else to change memory |
//! | `state` | the whole state of a thread |
//! | `step` | instructions that are executed natively, one at a time |

mod cache;
mod changes;
mod code;
mod rep;
mod spin;
mod state;
mod step;

pub use cache::{Cache, CacheError, Check, Exit, FAR, Surfaced, Word, occupies, place};
pub use changes::changed;
pub use code::has_stepped_code;
pub use rep::rep;
pub use spin::{Pass, Passes, Read, Verdict};
pub use state::{Snapshot, changed_words, differing, pages, snapshot, vectors};
pub use step::{Came, SingleStep, Stepping, came_of, is_syscall, single_step, stepped};

/// How conditional branches are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Counting {
    /// They are not: threads are stopped at sync points only.
    #[default]
    Never,
    /// Only those of threads that had to be stopped between two sync points lately, in the code cache. Others go on
    /// natively; where one has to be stopped, its whole state says where.
    Adaptive,
    /// In the code cache.
    Software,
    /// Every instruction by itself: exact, simple, and slow beyond use, to compare others with.
    Stepped,
}
