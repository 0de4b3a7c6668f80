//! Takes whole frames from the segments of a journal that is being written.

use super::cursor::{Cursor, FIXED_BYTES};
use super::{KeptRef, ShipError, ShipPosition, kept};
use crate::{JOURNAL_DIR, segment_name};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How much is read at a time, if no frame needs more.
const READ_BYTES: usize = 256 << 10;
/// A buffer that one large frame has made larger than this is not kept.
const SPARE_BYTES_MAX: usize = 4 * READ_BYTES;

/// Reads a journal's bytes, frame by frame, up to where its writer has come.
#[derive(Debug)]
pub struct FrameTail {
    dir: PathBuf,
    cursor: Cursor,
    file: File,
    /// Bytes of the segment from the cursor's offset on, of which `at` are used up.
    buffer: Vec<u8>,
    at: usize,
    /// Where it is read into: never cleared, for most reads bring little.
    fresh: Vec<u8>,
    /// Bytes of the segments before this one.
    bytes_before: u64,
}

/// The head of a segment, or a frame.
#[derive(Debug)]
pub struct Unit<'a> {
    /// In which segment.
    pub segment: u32,
    /// Where in it.
    pub offset: u64,
    /// How many events stand before its end.
    pub events: u64,
    /// All of it.
    pub bytes: &'a [u8],
}

impl Unit<'_> {
    /// The kept files that it names, in order. `None` if it is damaged.
    #[must_use]
    pub fn kept_files(&self) -> Option<Vec<KeptRef>> {
        if self.offset == 0 {
            return Some(Vec::new());
        }
        kept::named(self.bytes)
    }
}

impl FrameTail {
    /// At the beginning of the journal of the recording in `dir`.
    pub fn open(dir: &Path) -> Result<Self, ShipError> {
        Self::open_segment(dir.join(JOURNAL_DIR), Cursor::default(), 0)
    }

    /// Where a copy of the recording in `dir` stands: what is before that place must be the
    /// same here, as far as the place itself can tell.
    pub fn open_at(dir: &Path, place: ShipPosition) -> Result<Self, ShipError> {
        if place == ShipPosition::default() {
            return Self::open(dir);
        }
        let dir = dir.join(JOURNAL_DIR);
        let differs = |reason: &str| ShipError::NotOurs {
            asked: place,
            reason: reason.into(),
        };
        let mut bytes_before = 0;
        for number in 0..place.segment {
            let path = dir.join(segment_name(number));
            match std::fs::metadata(&path) {
                Ok(metadata) => bytes_before += metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(differs("no such segment"));
                }
                Err(error) => return Err(ShipError::io("look at", &path, error)),
            }
        }
        let cursor = super::replica::cursor_at(&dir, place.segment)?
            .ok_or_else(|| differs("no such segment"))?;
        let mut tail = Self::open_segment(dir, cursor, bytes_before)?;
        while tail.cursor.place.offset < place.offset {
            if !tail.fill_unit()? {
                return Err(differs("its end before"));
            }
            tail.pass_unit()?;
        }
        let found = tail.cursor.place;
        if found == place {
            Ok(tail)
        } else {
            Err(differs(&format!("{found}")))
        }
    }

    fn open_segment(dir: PathBuf, cursor: Cursor, bytes_before: u64) -> Result<Self, ShipError> {
        let path = dir.join(segment_name(cursor.place.segment));
        let file = File::open(&path).map_err(|error| ShipError::io("open", &path, error))?;
        Ok(Self {
            dir,
            cursor,
            file,
            buffer: Vec::new(),
            at: 0,
            fresh: vec![0; READ_BYTES],
            bytes_before,
        })
    }

    /// The next unit; `None` when there is none yet. `written` is how many events the journal's
    /// writer has handed to the system.
    pub fn next(&mut self, written: u64) -> Result<Option<Unit<'_>>, ShipError> {
        let at_start = self.cursor.place == ShipPosition::default();
        if self.cursor.place.events >= written && !at_start {
            return Ok(None);
        }
        while !self.fill_unit()? {
            if self.at < self.buffer.len() || self.cursor.place.offset == 0 {
                return Err(self.broken("the journal is shorter than was said".into()));
            }
            self.open_next()?;
        }
        let ShipPosition {
            segment, offset, ..
        } = self.cursor.place;
        let range = self.pass_unit()?;
        Ok(Some(Unit {
            segment,
            offset,
            events: self.cursor.place.events,
            bytes: &self.buffer[range],
        }))
    }

    /// Where the next unit stands.
    #[must_use]
    pub fn position(&self) -> ShipPosition {
        self.cursor.place
    }

    /// Bytes of the journal before that.
    #[must_use]
    pub fn bytes_before(&self) -> u64 {
        self.bytes_before + self.cursor.place.offset
    }

    fn open_next(&mut self) -> Result<(), ShipError> {
        let mut cursor = self.cursor.clone();
        cursor.next_segment();
        let path = self.dir.join(segment_name(cursor.place.segment));
        self.file = File::open(&path).map_err(|error| ShipError::io("open", &path, error))?;
        self.bytes_before += self.cursor.place.offset;
        self.cursor = cursor;
        self.buffer.clear();
        self.at = 0;
        Ok(())
    }

    /// Has the whole next unit in the buffer; `false` if the segment ends before it does.
    fn fill_unit(&mut self) -> Result<bool, ShipError> {
        loop {
            let have = self.buffer.len() - self.at;
            let need = self
                .cursor
                .measure(&self.buffer[self.at..])
                .map_err(|reason| self.broken(reason))?;
            if have >= need.max(FIXED_BYTES) {
                return Ok(true);
            }
            if !self.read_more(need)? {
                return Ok(false);
            }
        }
    }

    fn read_more(&mut self, need: usize) -> Result<bool, ShipError> {
        self.buffer.drain(..self.at);
        self.at = 0;
        if need <= READ_BYTES && self.buffer.capacity() > SPARE_BYTES_MAX {
            self.buffer.shrink_to(READ_BYTES);
        }
        let from = self.cursor.place.offset + self.buffer.len() as u64;
        let read = loop {
            match self.file.read_at(&mut self.fresh, from) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(len) => {
                self.buffer.extend_from_slice(&self.fresh[..len]);
                Ok(len > 0)
            }
            Err(error) => Err(ShipError::io("read", &self.path(), error)),
        }
    }

    /// Goes past the unit in the buffer: where in it that is.
    fn pass_unit(&mut self) -> Result<std::ops::Range<usize>, ShipError> {
        let start = self.at;
        let len = self
            .cursor
            .measure(&self.buffer[start..])
            .map_err(|reason| self.broken(reason))?;
        let range = start..start + len;
        let mut cursor = self.cursor.clone();
        // Whoever gets it checks it.
        cursor
            .pass(&self.buffer[range.clone()], false)
            .map_err(|reason| self.broken(reason))?;
        self.cursor = cursor;
        self.at = range.end;
        Ok(range)
    }

    fn path(&self) -> PathBuf {
        self.dir.join(segment_name(self.cursor.place.segment))
    }

    fn broken(&self, reason: String) -> ShipError {
        ShipError::Broken {
            path: self.path(),
            offset: self.cursor.place.offset,
            event: self.cursor.place.events,
            reason,
        }
    }
}
