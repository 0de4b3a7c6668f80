//! How `ftrun` itself fails: exit codes, and the message.

use crate::messages;
use std::process::ExitCode;
use tracer::record::RecordError;
use tracer::replay::ReplayError;

/// `ftrun` could not do what was asked.
pub const OWN_FAILURE: u8 = 125;
/// The program cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// The program is not there.
const NOT_FOUND: u8 = 127;
/// The replay did something that the journal does not say.
const DIVERGENCE: u8 = 120;

/// Tells the error and returns its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    messages::say(&format!("{error:#}"));
    ExitCode::from(code(error))
}

/// The exit code that tells this error.
pub fn code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<RecordError>() {
        Some(RecordError::NotFound(_)) => return NOT_FOUND,
        Some(RecordError::NotExecutable { .. }) => return NOT_EXECUTABLE,
        _ => {}
    }
    match error.downcast_ref::<ReplayError>() {
        Some(ReplayError::Divergence(_)) => DIVERGENCE,
        _ => OWN_FAILURE,
    }
}

/// Whoever read our output has seen enough: `ftrun events | head`.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
