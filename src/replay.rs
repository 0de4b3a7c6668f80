//! `ftrun replay`.

use crate::cli::ReplayArgs;
use crate::messages;
use crate::progress::Progress;
use journal::{EventIndex, Tail};
use std::io::Write;
use std::process::ExitCode;
use tracer::replay::{Outcome, Sink};

const WHAT: &str = "replaying";

/// Replays, shows what the application wrote, and ends with its exit code.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let dir = args.recording.resolve()?;
    let progress = if args.quiet {
        Progress::new(WHAT)
    } else {
        Progress::beside_output(WHAT)
    };
    let mut show = Show {
        quiet: args.quiet,
        progress,
    };
    let replayed =
        tracer::replay::replay(&dir, args.agent.when(), args.counter.counting(), &mut show);
    // No message shall stand behind the bar.
    drop(show);
    let outcome = replayed?;
    tell_tail(&outcome);
    Ok(exit_code(outcome.status))
}

/// Says so if the journal has no end.
pub fn tell_tail(outcome: &Outcome) {
    match &outcome.tail {
        Tail::Whole => {}
        Tail::Torn { reason, .. } => messages::say(&format!(
            "recording ends early ({reason}): replayed the {} events that it has",
            outcome.events
        )),
        Tail::Live => messages::say(&format!(
            "recording ends early (it is still being made): replayed the {} events that it has by now",
            outcome.events
        )),
    }
}

fn exit_code(status: Option<i32>) -> ExitCode {
    let Some(status) = status else {
        return ExitCode::SUCCESS;
    };
    let code = if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    };
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

struct Show {
    quiet: bool,
    progress: Progress,
}

impl Sink for Show {
    fn output(&mut self, stream: u8, bytes: &[u8]) {
        if self.quiet {
            return;
        }
        // A replay is worth finishing for its exit code even if nobody reads the output.
        let _ = if stream == 2 {
            self.progress.make_room_for(bytes);
            std::io::stderr().lock().write_all(bytes)
        } else {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        };
    }

    fn progress(&mut self, _event: EventIndex, read: u64, total: u64) {
        self.progress.update(read, total);
    }

    fn notice(&mut self, text: &str) {
        self.progress.make_room();
        messages::say(text);
    }
}
