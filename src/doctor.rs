//! `ftrun doctor`.

use crate::cli::DoctorArgs;
use std::process::ExitCode;

/// Placeholder while the tree is rebuilt.
pub fn run(_args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
