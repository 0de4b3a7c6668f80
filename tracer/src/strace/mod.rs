//! Prints a journal as `strace -f` would have printed the recorded run: from the journal
//! alone, without replaying, and without timing.
//!
//! What the arguments are comes from the syscall table. Memory is looked up by address in
//! what the journal says was read and written. A [`Printer`] takes any events in any order:
//! what does not fit together prints as far as it does.

mod args;
mod call;
mod errno;
mod fields;
mod filter;
mod message;
mod own;
mod printer;
mod results;
mod scalars;
mod signals;
mod sockaddr;
mod structs;
mod tasks;
#[cfg(test)]
mod tests;
mod text;
mod view;

pub use filter::{Filter, FilterError};
pub use printer::{Options, Prefix, Printer};
