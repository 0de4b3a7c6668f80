//! What the agent and the supervisor agree on: where things lie in a traced address space,
//! which syscalls the agent serves and what memory they read and write, and the records in which
//! it tells of them. The agent itself is `image/`, built from this crate by the tracer's build
//! script; it is freestanding, and so is this crate.
//!
//! The agent decides nothing about the journal. It performs a syscall that the supervisor has
//! allowed for, and keeps what the supervisor would have looked at: the registers, the result,
//! the memory that the kernel reads and writes.

#![cfg_attr(not(test), no_std)]

pub mod baton;
pub mod layout;
pub mod record;
pub mod rules;
