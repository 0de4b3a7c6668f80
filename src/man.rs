//! `ftrun man`.

use crate::cli::{Cli, ManArgs};
use anyhow::Context;
use clap::CommandFactory;
use std::process::ExitCode;

/// Writes a page for `ftrun` and one for each subcommand.
pub fn run(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let failed = || format!("cannot write man pages to {}", args.dir.display());
    std::fs::create_dir_all(&args.dir).with_context(failed)?;
    clap_mangen::generate_to(<Cli as CommandFactory>::command(), &args.dir).with_context(failed)?;
    Ok(ExitCode::SUCCESS)
}
