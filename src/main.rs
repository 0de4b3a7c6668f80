//! The `ftrun` command line: reads the arguments, hands over to the subcommand's file.

mod cli;
mod failure;
mod messages;
mod meta;
mod record;
mod recordings;
mod replay;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::usage(&error),
    };
    let done = match cli.command() {
        Command::Record(args) => record::run(&args),
        Command::Replay(args) => replay::run(&args),
    };
    done.unwrap_or_else(|error| failure::report(&error))
}
