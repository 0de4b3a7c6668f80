//! `ftrun keys`.

use crate::cli::KeysArgs;
use crate::output;
use anyhow::Context;
use std::process::ExitCode;

/// Makes key material for two nodes.
pub fn run(args: &KeysArgs) -> anyhow::Result<ExitCode> {
    let nodes = standby::link::generate(&args.dir).context("no keys were made")?;
    let mut text = String::new();
    for node in &nodes {
        text.push_str(&output::shown(&node.display().to_string()));
        text.push('\n');
    }
    output::write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
