//! The copy of a journal that is being written elsewhere: whole frames with right checksums,
//! and nothing else.

use super::LeanHead;
use super::cursor::{Cursor, FIXED_BYTES};
use super::{ShipError, ShipPosition};
use crate::format::{SEGMENT_HEAD_BYTES, SegmentHead, segment_number};
use crate::live::{WriterLock, writer_of};
use crate::{HEADER_BYTES_MAX, JOURNAL_DIR, Progress, segment_name, sys};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// After so many bytes the system is asked to begin writing them to the medium.
const WRITEBACK_BYTES: u64 = 8 << 20;
/// How much of a stored segment is read at a time.
const READ_BYTES: usize = 1 << 20;
/// A buffer that one large frame has made larger than this is not kept.
const SPARE_BYTES_MAX: usize = 1 << 20;

/// Writes the copy of a journal. Holds its lock, so that readers know that it grows.
#[derive(Debug)]
pub struct Replica {
    dir: PathBuf,
    _lock: WriterLock,
    cursor: Cursor,
    file: Option<File>,
    /// Bytes after the cursor that are no whole unit yet.
    partial: Vec<u8>,
    /// The frame that has just come, to be used again.
    frame: Vec<u8>,
    /// They begin the next segment, which counts once its head is stored.
    begins: bool,
    /// Up to here the system was asked to write.
    begun: u64,
    progress: Arc<Progress>,
    ended: Vec<EndedSegment>,
}

/// A segment that is complete.
#[derive(Debug)]
pub struct EndedSegment {
    file: File,
    dir: PathBuf,
    path: PathBuf,
}

impl EndedSegment {
    /// Makes it survive a loss of power. May take long.
    pub fn sync(&self) -> Result<(), ShipError> {
        self.file
            .sync_data()
            .map_err(|error| ShipError::io("sync", &self.path, error))?;
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| ShipError::io("sync", &self.dir, error))
    }
}

impl Replica {
    /// Begins the copy in `dir`, or goes on with it: what is not whole at its end is cut off.
    pub fn open(dir: &Path) -> Result<Self, ShipError> {
        let journal = dir.join(JOURNAL_DIR);
        match DirBuilder::new().mode(0o700).create(&journal) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(ShipError::io("create", &journal, error));
            }
            _ => {}
        }
        let lock = WriterLock::take_over(&journal).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => ShipError::InUse {
                path: dir.into(),
                pid: writer_of(dir).ok().flatten().unwrap_or(0),
            },
            _ => ShipError::io("lock", &journal, error),
        })?;
        let (cursor, file) = resume(&journal)?;
        let progress = Arc::new(Progress::default());
        progress.advance(cursor.place.events);
        Ok(Self {
            dir: journal,
            _lock: lock,
            begun: cursor.place.offset,
            cursor,
            file,
            partial: Vec::new(),
            frame: Vec::new(),
            begins: false,
            progress,
            ended: Vec::new(),
        })
    }

    /// Up to where it is stored.
    #[must_use]
    pub fn position(&self) -> ShipPosition {
        self.cursor.place
    }

    /// Told of every frame once it is stored: for readers in this process.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// A segment that has ended, and was not taken yet: to be taken soon, and synced.
    pub fn take_ended(&mut self) -> Option<EndedSegment> {
        self.ended.pop()
    }

    /// Forgets what was pushed and is no whole frame yet: it will be pushed again.
    pub fn forget_partial(&mut self) {
        self.partial = Vec::new();
        self.begins = false;
    }

    /// Stores the next bytes of the journal, which stand at `offset` in `segment`. Frames are
    /// written when they are whole. After an error, nothing of `bytes` counts, and what was
    /// pushed since the last whole frame is forgotten.
    pub fn push(&mut self, segment: u32, offset: u64, bytes: &[u8]) -> Result<(), ShipError> {
        let done = self
            .check_place(segment, offset)
            .and_then(|()| self.store(bytes));
        if done.is_err() {
            self.forget_partial();
        }
        done
    }

    /// Stores the next frame of the journal, as [`Replica::push`] does. How many bytes it has.
    pub fn push_frame(&mut self, lean: LeanHead, payload: &[u8]) -> Result<usize, ShipError> {
        let place = self.next_cursor().place;
        let head = lean.head(place.events, payload.len());
        let head = head.filter(|_| place.offset > 0 && self.partial.is_empty());
        let Some(head) = head else {
            self.forget_partial();
            return Err(self.broken("a frame in the wrong place".into()));
        };
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        frame.extend_from_slice(&head);
        frame.extend_from_slice(payload);
        let done = self.store_whole(&frame);
        self.frame = frame;
        match done {
            // Its payload's length is in its head.
            Ok(stored) => Ok(stored),
            Err(error) => {
                self.forget_partial();
                Err(error)
            }
        }
    }

    fn check_place(&mut self, segment: u32, offset: u64) -> Result<(), ShipError> {
        let next = self.next_cursor().place;
        let here = next.offset + self.partial.len() as u64;
        if (segment, offset) == (next.segment, here) {
            return Ok(());
        }
        let place = self.cursor.place;
        if offset == 0
            && self.partial.is_empty()
            && place.offset > 0
            && place.segment.checked_add(1) == Some(segment)
        {
            self.begins = true;
            return Ok(());
        }
        Err(self.broken(format!(
            "what came belongs to segment {segment} offset {offset}, not to segment {} offset {here}",
            next.segment
        )))
    }

    /// Where the next unit belongs.
    fn next_cursor(&self) -> Cursor {
        let mut cursor = self.cursor.clone();
        if self.begins {
            cursor.next_segment();
        }
        cursor
    }

    fn store(&mut self, bytes: &[u8]) -> Result<(), ShipError> {
        if self.partial.is_empty() {
            let used = self.store_whole(bytes)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut all = std::mem::take(&mut self.partial);
        all.extend_from_slice(bytes);
        let used = self.store_whole(&all)?;
        all.drain(..used);
        if all.is_empty() && all.capacity() > SPARE_BYTES_MAX {
            all = Vec::new();
        }
        self.partial = all;
        Ok(())
    }

    /// Stores the whole units that `bytes` begins with; how many bytes they have.
    fn store_whole(&mut self, bytes: &[u8]) -> Result<usize, ShipError> {
        let mut cursor = self.next_cursor();
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let len = cursor.measure(rest).map_err(|reason| self.broken(reason))?;
            let Some(unit) = rest.get(..len) else {
                break;
            };
            cursor
                .pass(unit, true)
                .map_err(|reason| self.broken(reason))?;
            used += len;
        }
        if used > 0 {
            self.write(&bytes[..used])?;
            self.cursor = cursor;
            self.progress.advance(self.cursor.place.events);
        }
        Ok(used)
    }

    /// Writes all of `bytes` where they belong or, as far as the medium still obeys, nothing.
    fn write(&mut self, bytes: &[u8]) -> Result<(), ShipError> {
        if self.begins || self.cursor.place.offset == 0 {
            return self.write_new(bytes);
        }
        let path = self.path();
        let offset = self.cursor.place.offset;
        let Some(file) = &self.file else {
            return Err(self.broken("its file is not open".into()));
        };
        if let Err(error) = file.write_all_at(bytes, offset) {
            // Should this fail too, it is cut off when the copy is opened again.
            let _ = file.set_len(offset);
            return Err(ShipError::io("write", &path, error));
        }
        let end = offset + bytes.len() as u64;
        if end - self.begun >= WRITEBACK_BYTES {
            sys::start_writeback(file, self.begun, end);
            self.begun = end;
        }
        Ok(())
    }

    /// Begins a segment with `bytes`. Until that is done, it is not there.
    fn write_new(&mut self, bytes: &[u8]) -> Result<(), ShipError> {
        let number = self.next_cursor().place.segment;
        let path = self.dir.join(segment_name(number));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| ShipError::io("create", &path, error))?;
        if let Err(error) = file.write_all_at(bytes, 0) {
            let _ = std::fs::remove_file(&path);
            return Err(ShipError::io("write", &path, error));
        }
        let path = self.path();
        if let Some(file) = self.file.replace(file) {
            self.ended.push(EndedSegment {
                file,
                dir: self.dir.clone(),
                path,
            });
        }
        self.begins = false;
        self.begun = 0;
        Ok(())
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

impl Drop for Replica {
    /// Readers that follow go on without waiting.
    fn drop(&mut self) {
        self.progress.stop();
    }
}

/// Where the copy in the journal directory `dir` ends, its last segment cut to whole units.
fn resume(dir: &Path) -> Result<(Cursor, Option<File>), ShipError> {
    let Some(mut last) = last_segment(dir)? else {
        return Ok((Cursor::default(), None));
    };
    loop {
        let path = dir.join(segment_name(last));
        if let Some(cursor) = cursor_at(dir, last)? {
            return walk(cursor, &path).map(|(cursor, file)| (cursor, Some(file)));
        }
        // Its head was not stored completely: it was never acknowledged.
        std::fs::remove_file(&path).map_err(|error| ShipError::io("remove", &path, error))?;
        match last.checked_sub(1) {
            Some(before) => last = before,
            None => return Ok((Cursor::default(), None)),
        }
    }
}

fn last_segment(dir: &Path) -> Result<Option<u32>, ShipError> {
    let failed = |error| ShipError::io("list", dir, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        found.extend(name.to_str().and_then(segment_number));
    }
    found.sort_unstable();
    for (expected, number) in (0..).zip(&found) {
        if expected != *number {
            return Err(ShipError::Broken {
                path: dir.join(segment_name(expected)),
                offset: 0,
                event: 0,
                reason: "it is missing, but later segments exist".into(),
            });
        }
    }
    Ok(found.pop())
}

/// A cursor at the beginning of a segment that exists; `None` if its head is not whole.
pub(super) fn cursor_at(dir: &Path, number: u32) -> Result<Option<Cursor>, ShipError> {
    let Some((head, header)) = read_head(&dir.join(segment_name(number)))? else {
        return Ok(None);
    };
    if head.number != number {
        return Ok(None);
    }
    Ok(Some(Cursor::at_segment(
        number,
        head.first_event,
        header.into(),
    )))
}

fn read_head(path: &Path) -> Result<Option<(SegmentHead, Vec<u8>)>, ShipError> {
    let failed = |error| ShipError::io("read", path, error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take((SEGMENT_HEAD_BYTES + HEADER_BYTES_MAX) as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let Some((fixed, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let Ok(head) = SegmentHead::decode(fixed) else {
        return Ok(None);
    };
    let Some(header) = rest.get(..head.header_len as usize) else {
        return Ok(None);
    };
    let whole = head.crc == SegmentHead::checksum(fixed, header);
    Ok(whole.then(|| (head, header.to_vec())))
}

/// Goes through a segment as far as it is whole, and cuts the rest off.
fn walk(mut cursor: Cursor, path: &Path) -> Result<(Cursor, File), ShipError> {
    let failed = |doing| move |error| ShipError::io(doing, path, error);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed("open"))?;
    let mut buffer = Vec::new();
    let mut at = 0;
    while let Ok(len) = cursor.measure(&buffer[at..]) {
        if buffer.len() - at >= len.max(FIXED_BYTES) {
            if cursor.pass(&buffer[at..at + len], true).is_err() {
                break;
            }
            at += len;
            continue;
        }
        buffer.drain(..at);
        at = 0;
        let have = buffer.len();
        buffer.resize(len.max(READ_BYTES), 0);
        let from = cursor.place.offset + have as u64;
        let read = file
            .read_at(&mut buffer[have..], from)
            .map_err(failed("read"))?;
        buffer.truncate(have + read);
        if read == 0 {
            break;
        }
    }
    file.set_len(cursor.place.offset)
        .map_err(failed("truncate"))?;
    Ok((cursor, file))
}
