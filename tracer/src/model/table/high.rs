//! Syscalls from 200 on.

use crate::model::types::Syscall;

/// The entries.
pub static TABLE: &[Syscall] = &[];
