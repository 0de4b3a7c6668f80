//! The syscall model: for every x86-64 syscall what it reads and writes, whether it can
//! wait, and what record and replay do with it. Data, and the generic code over it.

pub mod capture;
pub mod names;
pub mod structs;
mod sub;
mod table;
mod types;

pub use table::{all, by_name, lookup};
pub use types::*;
