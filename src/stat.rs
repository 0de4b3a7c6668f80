//! `ftrun stat`.

use crate::cli::StatArgs;
use std::process::ExitCode;

/// Placeholder while the tree is rebuilt.
pub fn run(_args: &StatArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
