//! Syscalls.

use crate::model::types::Syscall;

/// The entries.
pub static TABLE: &[Syscall] = &[];
