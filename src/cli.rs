//! What can be typed: the one definition that help, man pages and completions come from.

use crate::failure::OWN_FAILURE;
use crate::messages;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Records unmodified Linux programs and reproduces their execution exactly.
///
/// `ftrun -- ./app` records; `ftrun replay` reproduces the latest recording.
#[derive(Debug, Parser)]
#[command(name = "ftrun", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    record: RecordArgs,
}

impl Cli {
    /// The subcommand; without one, `record`.
    pub fn command(self) -> Command {
        self.command.unwrap_or(Command::Record(self.record))
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Record a program (the default)
    Record(RecordArgs),
    /// Reproduce a recording, with no effect on anything outside
    Replay(ReplayArgs),
}

/// Options of `record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Write the recording to exactly this directory, which must be empty or not exist
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Write ftrun's own messages to this file instead of standard error
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// What to do with the application when the journal can no longer be written
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub on_journal_error: OnJournalError,
    /// What to do about memory that processes outside the recording can write
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    pub outside_memory: OutsideMemory,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Values of `--on-journal-error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnJournalError {
    /// End it; everything recorded so far is kept
    Stop,
    /// Let it go on without a recording
    Continue,
}

/// Values of `--outside-memory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutsideMemory {
    /// End the recording when the application maps it
    Refuse,
    /// Say so, note it in the recording, and go on
    Warn,
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Do not show what the application wrote
    #[arg(long, short)]
    pub quiet: bool,
    /// Name or directory of the recording [default: the latest]
    #[arg(value_name = "RECORDING")]
    pub recording: Option<OsString>,
}

/// Shows help, or tells what is wrong with the arguments.
pub fn usage(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // A closed standard output is nobody's mistake.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    messages::say(text.strip_prefix("error: ").unwrap_or(&text).trim_end());
    ExitCode::from(OWN_FAILURE)
}
