//! What ends a recording early.

use crate::counting::CacheError;
use crate::namespaces::NamespaceError;
use crate::remote::RemoteError;
use crate::sys::ptrace::Gone;
use std::io;

/// Why a recording could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Somebody outside killed a process of a protected application.
    #[error("process {0} of the application was killed from outside")]
    KilledFromOutside(i32),
    /// Another node goes on with the application.
    #[error("the application goes on at another node")]
    HandedOver,
    /// The application cannot be protected.
    #[error("{0}")]
    Protection(String),
    /// The program is not there.
    #[error("{0}: not found")]
    NotFound(String),
    /// The program cannot be executed.
    #[error("{path}: {reason}")]
    NotExecutable {
        /// The program.
        path: String,
        /// Why.
        reason: String,
    },
    /// The journal could not be written.
    #[error("the journal cannot be written: {0}")]
    Journal(#[from] journal::WriteError),
    /// A file that the application mapped could not be kept.
    #[error("cannot keep {path} with the recording: {error}")]
    Keep {
        /// The file.
        path: String,
        /// Why.
        error: String,
    },
    /// The application did something that this version cannot record.
    #[error("thread {tid}: {what} cannot be recorded")]
    Unsupported {
        /// The thread.
        tid: i32,
        /// What it did.
        what: String,
    },
    /// Memory shared with a process outside the recording.
    #[error(
        "{path} is mapped for writing by process {pid} outside the recording: what it writes \
         would not be recorded (`--outside-memory warn` records all the same)"
    )]
    OutsideMemory {
        /// The file.
        path: String,
        /// The other process.
        pid: i32,
    },
    /// There are no namespaces for the application.
    #[error(transparent)]
    Namespaces(#[from] NamespaceError),
    /// A syscall on behalf of the application failed.
    #[error(transparent)]
    Remote(RemoteError),
    /// A thread cannot be counted.
    #[error(transparent)]
    Counting(CacheError),
    /// A service of the operating system failed.
    #[error("{what}: {error}")]
    Os {
        /// What was attempted.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
}

impl RecordError {
    /// An operating system failure while doing `what`.
    pub fn os(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |error| Self::Os { what, error }
    }
}

/// Why one step could not be finished: the thread died under it, which is nothing
/// unusual, or the recording cannot go on.
#[derive(Debug)]
pub enum Stumble {
    /// The thread was killed.
    Gone,
    /// The recording ends.
    Fatal(RecordError),
}

impl From<Gone> for Stumble {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<RemoteError> for Stumble {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::Gone(_) => Self::Gone,
            other => Self::Fatal(RecordError::Remote(other)),
        }
    }
}

impl From<RecordError> for Stumble {
    fn from(error: RecordError) -> Self {
        Self::Fatal(error)
    }
}

impl From<journal::WriteError> for Stumble {
    fn from(error: journal::WriteError) -> Self {
        Self::Fatal(error.into())
    }
}

/// Result of one step.
pub type Step<T = ()> = Result<T, Stumble>;
