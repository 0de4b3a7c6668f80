//! The command line, end to end: every subcommand on small real recordings.

mod common;

#[path = "cli/support.rs"]
mod support;

#[path = "cli/directories.rs"]
mod directories;
#[path = "cli/ends.rs"]
mod ends;
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/json.rs"]
mod json;
#[path = "cli/keys.rs"]
mod keys;
#[path = "cli/queries.rs"]
mod queries;
#[path = "cli/removal.rs"]
mod removal;
#[path = "cli/shells.rs"]
mod shells;
#[path = "cli/states.rs"]
mod states;
#[path = "cli/usage.rs"]
mod usage;
