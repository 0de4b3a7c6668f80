//! `ftrun strace`.

use crate::cli::RecordingArg;
use crate::messages;
use anyhow::Context;
use clap::{Args, ValueHint};
use journal::{Reader, Tail, Tid};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use tracer::strace::{Filter, Options, Prefix, Printer};

const BUFFER_BYTES: usize = 64 << 10;

/// Options of `strace`.
#[derive(Debug, Args)]
pub struct StraceArgs {
    /// Only these syscalls: `trace=NAME,…`, `trace=!NAME,…`, classes such as `%file`
    #[arg(short = 'e', value_name = "EXPRESSION")]
    pub expressions: Vec<String>,
    /// Only these threads
    #[arg(long, value_name = "TID", value_delimiter = ',')]
    pub thread: Vec<i32>,
    /// Print to this file, each line with its thread
    #[arg(short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub recording: RecordingArg,
}

/// Prints the recorded run's syscalls as `strace -f` would have done.
pub fn run(args: &StraceArgs) -> anyhow::Result<ExitCode> {
    let filter = Filter::parse(args.expressions.iter().map(String::as_str)).context("-e")?;
    let dir = args.recording.resolve()?;
    let mut reader = Reader::open(&dir)?;
    let (out, prefix): (Box<dyn Write>, _) = match &args.output {
        Some(path) => {
            let file = File::create(path)
                .with_context(|| format!("-o {}: cannot write there", path.display()))?;
            (Box::new(file), Prefix::File)
        }
        None => (Box::new(io::stdout().lock()), Prefix::Terminal),
    };
    let threads = args.thread.iter().copied().map(Tid).collect();
    let out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut printer = Printer::new(
        out,
        Options {
            prefix,
            filter,
            threads,
        },
    );
    let read = loop {
        match reader.next() {
            Ok(Some((index, event))) => printer.event(index, &event)?,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    // What could be read is shown, whatever comes after it.
    printer.finish()?;
    read?;
    match reader.tail() {
        Tail::Whole => {}
        Tail::Torn { reason, .. } => messages::say(&format!("recording ends early ({reason})")),
        Tail::Live => messages::say("recording ends early (it is still being made)"),
    }
    Ok(ExitCode::SUCCESS)
}
