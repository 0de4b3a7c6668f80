//! `ftrun ps`.

use crate::cli::PsArgs;
use std::process::ExitCode;

/// Placeholder while the tree is rebuilt.
pub fn run(_args: &PsArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
