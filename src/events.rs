//! `ftrun events`.

use crate::cli::EventsArgs;
use std::process::ExitCode;

/// Placeholder while the tree is rebuilt.
pub fn run(_args: &EventsArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
