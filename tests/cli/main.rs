//! The command line, end to end: every subcommand on small real recordings.

#[path = "../common/mod.rs"]
mod common;
mod support;

mod demo;
mod directories;
mod ends;
mod hostile;
mod json;
mod keys;
mod queries;
mod removal;
mod shells;
mod states;
mod status;
mod strace;
mod usage;
