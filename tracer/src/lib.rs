//! The engine: ptrace, syscall model, scheduler, record and replay sessions.
//!
//! It traces one application with one thread of its own, and speaks to the world through
//! a [`journal`] only. It prints nothing and knows no command line.

mod advice;
mod agent;
pub mod arrears;
mod backtrace;
pub mod brake;
mod claim;
mod counting;
mod identities;
mod insn;
mod launch;
mod layout;
pub mod machine;
mod maps;
mod mm;
pub mod model;
pub mod namespaces;
pub mod network;
pub mod record;
mod remote;
pub mod replay;
mod sites;
pub mod standby;
pub mod strace;
mod sys;
mod timeouts;
mod vdso;

pub use counting::Counting;
pub use sys::host::{CpuSet, affinity, die_of};
pub use sys::wait::Pid;
