//! Shipping: a journal as bytes that another node writes again, byte for byte.
//!
//! Whole frames are taken from the segments of a recording that is being made ([`FrameTail`]),
//! and put into the segments of its copy ([`Replica`]). How they travel is no matter of this
//! crate.

mod cursor;
mod kept;
mod lean;
mod replica;
mod tail;

pub use kept::KeptRef;
pub use lean::LeanHead;
pub use replica::{EndedSegment, Replica};
pub use tail::{FrameTail, Unit};

use std::io;
use std::path::{Path, PathBuf};

/// A place between two frames of a journal, and proof of what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShipPosition {
    /// The segment.
    pub segment: u32,
    /// Where in it.
    pub offset: u64,
    /// How many events stand before it.
    pub events: u64,
    /// Checksum of the frame (or head of a segment) that ends here.
    pub crc: u32,
}

impl std::fmt::Display for ShipPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            segment,
            offset,
            events,
            crc,
        } = self;
        write!(
            f,
            "segment {segment} offset {offset} (event {events}, checksum {crc:08x})"
        )
    }
}

/// Why a journal cannot be shipped, or a copy not be continued.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// The medium refused.
    #[error("cannot {doing} {}: {error}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The bytes are not those of a journal that goes on here.
    #[error("{} cannot go on at offset {offset} (event {event}): {reason}", path.display())]
    Broken {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// The next event.
        event: u64,
        /// What is wrong.
        reason: String,
    },
    /// The copy does not continue this journal.
    #[error("the copy stands at {asked}, where this journal has {reason}")]
    NotOurs {
        /// Where the copy stands.
        asked: ShipPosition,
        /// What is there instead.
        reason: String,
    },
    /// Somebody else writes the journal.
    #[error("{} is being written by process {pid}", path.display())]
    InUse {
        /// The recording.
        path: PathBuf,
        /// Who.
        pid: u32,
    },
}

impl ShipError {
    fn io(doing: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Io {
            doing,
            path: path.into(),
            error,
        }
    }

    /// Whether the medium is full: what is there stays good, and it can go on later.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { error, .. } if matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ))
    }
}
