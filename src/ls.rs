//! `ftrun ls`.

use crate::cli::LsArgs;
use std::process::ExitCode;

/// Placeholder while the tree is rebuilt.
pub fn run(_args: &LsArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
