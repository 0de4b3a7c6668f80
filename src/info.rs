//! `ftrun info`.

use crate::cli::InfoArgs;
use std::process::ExitCode;

/// Placeholder while the tree is rebuilt.
pub fn run(_args: &InfoArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
