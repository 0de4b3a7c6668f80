//! Why a journal cannot be read, and how one that can be read ends.

use crate::EventIndex;
use std::io;
use std::path::PathBuf;

/// Why a journal cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The medium refused.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is none.
    #[error("no recording here: {} does not exist", path.display())]
    NoJournal {
        /// The first segment.
        path: PathBuf,
    },
    /// It was cut short before its header was complete.
    #[error("{} ends before its header does: nothing was recorded", path.display())]
    NoHeader {
        /// The first segment.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a journal", path.display())]
    NotAJournal {
        /// The first segment.
        path: PathBuf,
    },
    /// A newer ftrun wrote it.
    #[error("{} has journal format {found}; this ftrun reads formats up to {supported}", path.display())]
    NewerVersion {
        /// The first segment.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that can be read.
        supported: u32,
    },
    /// A segment in the middle is gone.
    #[error("{} is missing, but later segments exist", path.display())]
    MissingSegment {
        /// The segment.
        path: PathBuf,
        /// Its number.
        number: u32,
    },
    /// It is damaged, and not just cut short.
    #[error("{} is corrupt at offset {offset} (segment {segment}, event {}): {reason}", path.display(), event.0)]
    Corrupt {
        /// The segment.
        path: PathBuf,
        /// Its number.
        segment: u32,
        /// Where in it.
        offset: u64,
        /// The first event that cannot be read.
        event: EventIndex,
        /// What is wrong.
        reason: String,
    },
}

/// How a journal ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// With [`crate::Event::End`].
    Whole,
    /// It was cut short. All events before that are good.
    Torn {
        /// The last segment.
        segment: u32,
        /// Where whole frames end in it.
        offset: u64,
        /// What stands there.
        reason: String,
    },
    /// Not yet: it is still being written, and [`crate::Reader::next`] may return
    /// more later.
    Live,
}
