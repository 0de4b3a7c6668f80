//! `ftrun replay`.

use crate::cli::ReplayArgs;
use crate::messages;
use journal::{EventIndex, Tail};
use std::io::Write;
use std::process::ExitCode;
use tracer::replay::{Outcome, Sink};

/// Replays, shows what the application wrote, and ends with its exit code.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let dir = args.recording.resolve()?;
    let mut show = Show { quiet: args.quiet };
    let outcome = tracer::replay::replay(&dir, &mut show)?;
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
}

impl Sink for Show {
    fn output(&mut self, stream: u8, bytes: &[u8]) {
        if self.quiet {
            return;
        }
        // A replay is worth finishing for its exit code even if nobody reads the output.
        let _ = if stream == 2 {
            std::io::stderr().lock().write_all(bytes)
        } else {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        };
    }

    fn progress(&mut self, _event: EventIndex, _read: u64, _total: u64) {}

    fn notice(&mut self, text: &str) {
        messages::say(text);
    }
}
