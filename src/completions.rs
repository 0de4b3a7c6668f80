//! `ftrun completions`.

use crate::cli::{Cli, CompletionsArgs};
use crate::output;
use clap::CommandFactory;
use std::process::ExitCode;

/// Prints the completion script of a shell.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    // Written to memory first: the generator panics where writing fails.
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut <Cli as CommandFactory>::command(),
        "ftrun",
        &mut script,
    );
    output::write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
