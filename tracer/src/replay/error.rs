//! What ends a replay early.

use crate::counting::CacheError;
use crate::remote::RemoteError;
use crate::sys::ptrace::Gone;
use journal::{EventIndex, Tid};
use std::io;

/// Replay did something that the journal does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The event that did not come to pass.
    pub event: EventIndex,
    /// The thread.
    pub thread: Tid,
    /// What the journal says.
    pub expected: String,
    /// What happened.
    pub found: String,
    /// Where the thread stands, innermost frame first.
    pub backtrace: Vec<String>,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "replay diverged at event {} of thread {}",
            self.event.0, self.thread
        )?;
        writeln!(f, "  expected: {}", self.expected)?;
        write!(f, "  found:    {}", self.found)?;
        for (index, frame) in self.backtrace.iter().enumerate() {
            write!(f, "\n  #{index} {frame}")?;
        }
        Ok(())
    }
}

/// Why a replay could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It did something else than the recording.
    #[error("{0}")]
    Divergence(Box<Divergence>),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] journal::ReadError),
    /// A kept file is missing or changed.
    #[error(transparent)]
    File(#[from] journal::FileError),
    /// A directory tree that both nodes are to have is not so here.
    #[error("{path}: {why}")]
    Tree {
        /// What in it.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The journal contradicts itself.
    #[error("the journal is inconsistent at event {}: {what}", event.0)]
    Inconsistent {
        /// The event.
        event: EventIndex,
        /// What is wrong with it.
        what: String,
    },
    /// A file is not what it was where the application was recorded.
    #[error("{path} differs from the recorded one (event {})", event.0)]
    OtherFile {
        /// The event that maps it.
        event: EventIndex,
        /// The file.
        path: String,
    },
    /// The state that a syscall leaves behind cannot be kept for a takeover.
    #[error("{what} cannot be protected by a standby (event {})", event.0)]
    NotShadowed {
        /// The event.
        event: EventIndex,
        /// What was done.
        what: String,
    },
    /// The recording broke off before the program executed anything.
    #[error(
        "the recording broke off before the application began: there is nothing to go on with; start it anew"
    )]
    NotBegun,
    /// The namespaces do not do what is asked of them.
    #[error(transparent)]
    Namespaces(#[from] crate::namespaces::NamespaceError),
    /// A syscall that replay needs failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A thread cannot be counted.
    #[error(transparent)]
    Counting(CacheError),
    /// A replayed thread was killed from outside.
    #[error("a replayed thread was killed from outside")]
    Killed,
    /// A service of the operating system failed.
    #[error("{what}: {error}")]
    Os {
        /// What was attempted.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
}

impl From<Gone> for ReplayError {
    fn from(_: Gone) -> Self {
        Self::Killed
    }
}

impl ReplayError {
    /// An operating system failure while doing `what`.
    pub fn os(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |error| Self::Os { what, error }
    }
}

impl From<crate::agent::place::PlaceError> for ReplayError {
    fn from(error: crate::agent::place::PlaceError) -> Self {
        use crate::agent::place::PlaceError;
        match error {
            PlaceError::Remote(error) => error.into(),
            PlaceError::Memory { what, error } => Self::os(what)(error),
        }
    }
}
