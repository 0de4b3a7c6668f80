//! `ftrun rm`.

use crate::cli::RmArgs;
use std::process::ExitCode;

/// Placeholder while the tree is rebuilt.
pub fn run(_args: &RmArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
