//! The ordered log of everything nondeterministic that reached one application.
//!
//! A recording is a directory. The journal is `journal/` in it: segments of
//! checksummed frames of records, written by [`Writer`], read by [`Reader`] even
//! while it is being written. Content that is too large for records lies in
//! `files/`, kept by content: [`FileStore`]. `docs/JOURNAL.md` describes every
//! byte. This crate knows nothing of ptrace and judges nothing: it stores events.

mod bytes;
mod compress;
mod event;
mod files;
mod format;
mod gate;
mod header;
mod live;
mod reader;
mod record;
mod ship;
mod storage;
mod sys;
mod writer;

pub use bytes::Bytes;
pub use event::*;
pub use files::{FileError, FileStore, Incoming, Kept, Outgoing, Piece, Pool, hash_file};
pub use format::{
    FORMAT_VERSION, FRAME_PAYLOAD_BYTES_MAX, FRAME_RAW_BYTES_MAX, HEADER_BYTES_MAX, JOURNAL_DIR,
    LOCK_FILE, RECORD_BYTES_MAX, segment_name,
};
pub use gate::{Address, Asked, ConnId, Endpoint, GateEvent, Opened, Scales};
pub use header::{Header, Machine};
pub use live::writer_of;
pub use reader::{End, Follow, Progress, ReadError, Reader, Tail};
pub use ship::{
    EndedSegment, FrameTail, KeptRef, LeanHead, Replica, ShipError, ShipPosition, Unit,
};
pub use storage::{FileStorage, MemoryStorage, Storage};
pub use writer::{Appender, By, Count, Summary, WriteError, Writer, WriterOptions};
