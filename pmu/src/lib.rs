//! Positions: exact points in one thread's execution.
//!
//! A position is the last sync point, the number of retired conditional
//! branches (RCB) since, the instruction address and a register signature. The
//! unit is the same for every counter. This crate holds the type and the
//! signature; it knows nothing of syscalls and nothing of ptrace.

pub mod hardware;
mod position;
mod regs;
pub mod translate;

pub use position::{Counter, Position, Rcb, SyncIndex};
pub use regs::{Regs, Signature};
