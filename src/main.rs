//! The `ftrun` command line: reads the arguments, hands over to the subcommand's file.

mod cli;
mod completions;
mod demo;
mod describe;
mod doctor;
mod event_json;
mod events;
#[cfg(test)]
mod every_event;
mod failure;
mod follow;
mod info;
mod keys;
mod ls;
mod man;
mod messages;
mod meta;
mod nodes;
mod order;
mod output;
mod processes;
mod progress;
mod ps;
mod record;
mod recordings;
mod replay;
mod rm;
mod scan;
mod standby_node;
mod stat;
mod status;
mod strace;
mod summary;
mod switchover;
mod sys;
mod verify;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::usage(&error),
    };
    let done = match cli.command() {
        Command::Record(args) => record::run(args),
        Command::Replay(args) => replay::run(&args),
        Command::Standby(args) => standby_node::run(args),
        Command::Follow(args) => follow::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Ls(args) => ls::run(&args),
        Command::Rm(args) => rm::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Ps(args) => ps::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Stat(args) => stat::run(&args),
        Command::Strace(args) => strace::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Switchover(args) => switchover::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::DemoServer(args) => demo::serve(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    done.unwrap_or_else(|error| failure::report(&error))
}
