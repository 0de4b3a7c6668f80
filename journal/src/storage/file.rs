//! Segments as files of a directory.

use super::Storage;
use crate::live::WriterLock;
use crate::{JOURNAL_DIR, segment_name, sys};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// After so many bytes the system is asked to begin writing them to the medium, so
/// that ending a segment does not have to wait for all of it.
const WRITEBACK_BYTES: u64 = 8 << 20;

/// The segments of one recording, and the lock that says it is live.
#[derive(Debug)]
pub struct FileStorage {
    dir: PathBuf,
    current: Option<Segment>,
    _lock: WriterLock,
}

#[derive(Debug)]
struct Segment {
    file: File,
    path: PathBuf,
    len: u64,
    /// Up to here the system was asked to write.
    begun: u64,
    /// The name survives a loss of power.
    name_synced: bool,
}

impl FileStorage {
    /// Creates the journal directory of the recording in `dir`. There must be none yet.
    pub fn create(dir: &Path) -> io::Result<Self> {
        let dir = dir.join(JOURNAL_DIR);
        DirBuilder::new().mode(0o700).create(&dir)?;
        let lock = WriterLock::take(&dir)?;
        Ok(Self {
            dir,
            current: None,
            _lock: lock,
        })
    }

    /// Goes on with segment `number` of a journal whose writer is gone.
    pub fn resume(dir: &Path, number: u32) -> io::Result<Self> {
        let dir = dir.join(JOURNAL_DIR);
        let lock = WriterLock::take_over(&dir)?;
        let path = dir.join(segment_name(number));
        let file = OpenOptions::new().write(true).open(&path)?;
        let len = file.metadata()?.len();
        Ok(Self {
            dir,
            current: Some(Segment {
                file,
                path,
                len,
                begun: len,
                name_synced: true,
            }),
            _lock: lock,
        })
    }

    fn current(&mut self) -> io::Result<&mut Segment> {
        self.current
            .as_mut()
            .ok_or_else(|| io::Error::other("no segment was begun"))
    }
}

impl Storage for FileStorage {
    fn create_segment(&mut self, number: u32) -> io::Result<()> {
        let path = self.dir.join(segment_name(number));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        self.current = Some(Segment {
            file,
            path,
            len: 0,
            begun: 0,
            name_synced: false,
        });
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let segment = self.current()?;
        let written = segment.file.write(bytes)?;
        segment.len += written as u64;
        if segment.len - segment.begun >= WRITEBACK_BYTES {
            sys::start_writeback(&segment.file, segment.begun, segment.len);
            segment.begun = segment.len;
        }
        Ok(written)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let segment = self.current()?;
        segment.file.set_len(len)?;
        segment.file.seek(io::SeekFrom::Start(len))?;
        (segment.len, segment.begun) = (len, segment.begun.min(len));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let dir = self.dir.clone();
        let segment = self.current()?;
        segment.file.sync_data()?;
        if !segment.name_synced {
            File::open(dir)?.sync_all()?;
            segment.name_synced = true;
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.current
            .as_ref()
            .map_or_else(|| self.dir.clone(), |segment| segment.path.clone())
    }
}
