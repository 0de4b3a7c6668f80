//! What can be typed: the one definition that help, man pages and completions come from.

use crate::failure::OWN_FAILURE;
use crate::{messages, recordings};
use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use tracer::Counting;
use tracer::record::Agent;

const EXIT_CODES: &str = "\
Exit codes:
  The application's, when recording; if it died of a signal, ftrun dies of the same one.
  replay: the application's, or 128+N if it died of signal N.
  verify: 0 if the recording is whole, 1 if it ends early but can be read.
  demo: 0 if nothing was lost, 1 if something was.
  120  the replay diverged from the recording
  125  ftrun itself failed
  126  the program cannot be executed
  127  the program was not found

Recordings are kept in $FTRUN_DIR, else in $XDG_DATA_HOME/ftrun, else in ~/.local/share/ftrun.
A command that takes a RECORDING takes the name of one there, or the path of any.";

/// Records unmodified Linux programs and reproduces their execution exactly.
///
/// `ftrun -- ./app` records; `ftrun replay` reproduces the latest recording.
#[derive(Debug, Parser)]
#[command(name = "ftrun", version, args_conflicts_with_subcommands = true, after_long_help = EXIT_CODES)]
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
    /// Wait for a primary, follow the program that it runs, and take over when it dies
    Standby(StandbyArgs),
    /// Follow a recording with a live copy of the program, and go on with it when it breaks off
    #[command(hide = true)]
    Follow(FollowArgs),
    /// Check a recording: structure, checksums, kept files
    Verify(VerifyArgs),
    /// List recordings
    Ls(LsArgs),
    /// Remove recordings
    Rm(RmArgs),
    /// Tell what a recording is: of what, when, on which machine, how it ended
    Info(InfoArgs),
    /// Show the processes and threads of a recording
    Ps(PsArgs),
    /// Print the events of a recording, one a line
    Events(EventsArgs),
    /// Print the recorded run's syscalls as `strace -f` would have done
    Strace(crate::strace::StraceArgs),
    /// Count a recording's events and bytes: by kind, thread, syscall and second
    Stat(StatArgs),
    /// Tell how protected applications are: who is active, whether a standby could take over
    Status(crate::status::StatusArgs),
    /// Have the standby take over now, without a loss
    Switchover(crate::switchover::SwitchoverArgs),
    /// Kill a protected server on this machine, hand another over, and tell what clients notice
    ///
    /// Both nodes and a client run in network namespaces of their own, the server is a sample inside ftrun.
    /// Ends with 0 if no connection was reset and no request lost, doubled or damaged, else with 1.
    /// It takes root, the program `ip`, and /dev/net/tun, and leaves nothing behind.
    Demo(crate::demo::DemoArgs),
    /// The demo's sample server
    #[command(hide = true)]
    DemoServer(crate::demo::ServerArgs),
    /// Tell what this machine can do, and what to change
    Doctor(DoctorArgs),
    /// Make the keys by which two nodes know each other
    Keys(KeysArgs),
    /// Print a shell's completion script
    Completions(CompletionsArgs),
    /// Write the man pages
    Man(ManArgs),
}

/// Options of `record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Write the recording to exactly this directory, which must be empty or not exist
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// Write ftrun's own messages to this file instead of standard error
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub log_file: Option<PathBuf>,
    /// What to do with the application when the journal can no longer be written
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub on_journal_error: OnJournalError,
    /// What to do about memory that processes outside the recording can write
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    pub outside_memory: OutsideMemory,
    /// Give the program process and IPC ids, mounts, a host name and clocks of its own
    #[arg(long)]
    pub isolate: bool,
    /// With --isolate: a network of its own too, with nothing but a loopback device
    #[arg(long, requires = "isolate")]
    pub private_network: bool,
    #[command(flatten)]
    pub agent: AgentArgs,
    #[command(flatten)]
    pub counter: CounterArgs,
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    #[command(flatten)]
    pub protection: standby::config::PrimaryOptions,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Whether frequent system calls are served inside the program.
#[derive(Debug, Clone, Copy, Args)]
pub struct AgentArgs {
    /// Let every system call stop, instead of serving frequent ones inside the program
    #[arg(long, env = "FTRUN_NO_AGENT", value_parser = FalseyValueParser::new())]
    pub no_agent: bool,
    /// For tests: serve system calls from the first one on that can be
    #[arg(long, hide = true, env = "FTRUN_AGENT_AT_ONCE", value_parser = FalseyValueParser::new())]
    pub agent_at_once: bool,
}

impl AgentArgs {
    /// When it serves.
    pub const fn when(self) -> Agent {
        match (self.no_agent, self.agent_at_once) {
            (true, _) => Agent::Never,
            (false, true) => Agent::AtOnce,
            (false, false) => Agent::WhenItPays,
        }
    }
}

/// How threads are stopped at exact instructions between system calls.
#[derive(Debug, Clone, Copy, Args)]
pub struct CounterArgs {
    /// How conditional branches are counted, by which a thread is found again that was stopped between two
    /// system calls
    #[arg(
        long,
        value_name = "COUNTER",
        default_value = "auto",
        env = "FTRUN_COUNTER"
    )]
    pub counter: Counter,
}

/// Values of `--counter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Counter {
    /// In translated code, and only of threads that had to be stopped between two system calls lately
    Auto,
    /// Not at all: threads are stopped at system calls only
    None,
    /// In translated code
    Software,
    /// By single steps: exact, and very slow
    Stepped,
}

impl CounterArgs {
    /// How they are counted.
    pub const fn counting(self) -> Counting {
        match self.counter {
            Counter::Auto => Counting::Adaptive,
            Counter::None => Counting::Never,
            Counter::Software => Counting::Software,
            Counter::Stepped => Counting::Stepped,
        }
    }
}

/// How threads take turns.
#[derive(Debug, Clone, Copy, Args)]
pub struct ScheduleArgs {
    /// How long a thread runs while others wait for it
    #[arg(long, value_name = "MS", default_value = "10", value_parser = milliseconds())]
    pub slice: u32,
    /// How long one computes, while others wait, before it is stopped where no conditional branches were counted: that
    /// takes a look at all its memory
    #[arg(long, value_name = "MS", default_value = "50", value_parser = milliseconds())]
    pub native_slice: u32,
    /// Draw turns and their order by chance, to bring races out; the same seed draws the same. Needs --counter software,
    /// or auto, which becomes that
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true)]
    pub chaos: Option<Option<u64>>,
}

/// A minute at most: who waits so long is as good as dead.
fn milliseconds() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=60_000)
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
    #[command(flatten)]
    pub agent: AgentArgs,
    #[command(flatten)]
    pub counter: CounterArgs,
    #[command(flatten)]
    pub recording: RecordingArg,
}

/// Options of `standby`.
#[derive(Debug, Args)]
pub struct StandbyArgs {
    /// Keep the copy of the recording in exactly this directory, which must be empty or not exist
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// Write ftrun's own messages to this file instead of standard error
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub log_file: Option<PathBuf>,
    #[command(flatten)]
    pub agent: AgentArgs,
    #[command(flatten)]
    pub protection: standby::config::StandbyOptions,
}

/// Options of `follow`.
#[derive(Debug, Args)]
pub struct FollowArgs {
    /// A network of its own, with nothing but a loopback device
    #[arg(long)]
    pub private_network: bool,
    #[command(flatten)]
    pub agent: AgentArgs,
    #[command(flatten)]
    pub recording: RecordingArg,
}

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Replay it as well, without showing what the application wrote
    #[arg(long)]
    pub replay: bool,
    #[command(flatten)]
    pub agent: AgentArgs,
    #[command(flatten)]
    pub counter: CounterArgs,
    #[command(flatten)]
    pub json: JsonArg,
    #[command(flatten)]
    pub recording: RecordingArg,
}

/// Options of `ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    #[command(flatten)]
    pub json: JsonArg,
}

/// Options of `rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Remove all recordings that are listed by `ftrun ls` and not being made just now
    #[arg(long, conflicts_with = "recordings")]
    pub all: bool,
    /// Names or directories
    #[arg(required_unless_present = "all", value_name = "RECORDING", value_hint = ValueHint::DirPath)]
    pub recordings: Vec<OsString>,
}

/// Options of `info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    #[command(flatten)]
    pub json: JsonArg,
    #[command(flatten)]
    pub recording: RecordingArg,
}

/// Options of `ps`.
#[derive(Debug, Args)]
pub struct PsArgs {
    #[command(flatten)]
    pub json: JsonArg,
    #[command(flatten)]
    pub recording: RecordingArg,
}

/// Options of `events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Only events of these threads
    #[arg(long, value_name = "TID", value_delimiter = ',')]
    pub thread: Vec<i32>,
    /// Only events of these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub kind: Vec<EventKind>,
    /// Begin with the event of this index
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub from: u64,
    /// End with the event of this index
    #[arg(long, value_name = "INDEX", default_value_t = u64::MAX, hide_default_value = true)]
    pub to: u64,
    /// Go on while the recording is being made
    #[arg(long, short)]
    pub follow: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub recording: RecordingArg,
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the journal describes them")]
pub enum EventKind {
    Start,
    Switch,
    Syscall,
    Enter,
    Leave,
    Data,
    Signal,
    Trap,
    Preempt,
    Spawn,
    ThreadEnd,
    File,
    Time,
    Note,
    End,
    Clocks,
    Gate,
    Tree,
    State,
    InFlight,
}

/// Options of `stat`.
#[derive(Debug, Args)]
pub struct StatArgs {
    #[command(flatten)]
    pub json: JsonArg,
    #[command(flatten)]
    pub recording: RecordingArg,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub json: JsonArg,
}

/// Options of `keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// Directory for the keys; `node1` and `node2` in it go to one node each
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Directory for the pages; it is created
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
}

/// Which recording.
#[derive(Debug, Args)]
pub struct RecordingArg {
    /// Name or directory of the recording [default: the latest]
    #[arg(value_name = "RECORDING", value_hint = ValueHint::DirPath)]
    pub recording: Option<OsString>,
}

impl RecordingArg {
    /// Its directory.
    pub fn resolve(&self) -> anyhow::Result<PathBuf> {
        recordings::resolve(self.recording.as_deref())
    }
}

/// `--json`.
#[derive(Debug, Args)]
pub struct JsonArg {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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
    if std::env::args_os().len() <= 1 {
        messages::say(
            "nothing to do: `ftrun -- COMMAND` records a program, `ftrun --help` tells the rest",
        );
        return ExitCode::from(OWN_FAILURE);
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // What is wrong, and the tips; the rest is what `--help` is for.
    let wrong = text.split("\n\nUsage:").next().unwrap_or(text).trim_end();
    let lines: Vec<&str> = wrong
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    messages::say(&lines.join("\n"));
    if matches!(
        error.kind(),
        ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument
    ) {
        messages::say(
            "a program to record stands after `--`: `ftrun -- COMMAND`; see `ftrun --help`",
        );
    } else {
        messages::say("see `ftrun --help`");
    }
    ExitCode::from(OWN_FAILURE)
}
