//! Promises of the recorder and the replayer that no single call is behind.

#[path = "../common/mod.rs"]
mod common;

mod faults;
mod isolated;
mod positions;
