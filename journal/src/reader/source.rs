//! Where a reader's bytes come from: the files of a recording, or memory.

use super::ReadError;
use crate::format::segment_number;
use crate::{JOURNAL_DIR, live, segment_name};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Numbered segments that may grow, and be joined by more, while they are read.
pub(super) trait Source: Send + std::fmt::Debug {
    /// Bytes of a segment by now; `None` if it does not exist.
    fn len(&self, number: u32) -> Result<Option<u64>, ReadError>;
    /// Fills `buffer` from `offset`; `false` if the segment does not reach that far.
    fn read_exact_at(
        &mut self,
        number: u32,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<bool, ReadError>;
    /// The highest number of a segment.
    fn last(&self) -> Result<Option<u32>, ReadError>;
    /// Whether it is still being written.
    fn live(&self) -> Result<bool, ReadError>;
    /// Names a segment in messages.
    fn path(&self, number: u32) -> PathBuf;
}

/// Segments in files.
#[derive(Debug)]
pub(super) struct FileSource {
    /// The recording.
    dir: PathBuf,
    /// The segment that is being read.
    open: Option<(u32, File)>,
}

impl FileSource {
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        Ok(Self {
            dir: dir.into(),
            open: None,
        })
    }

    fn error(&self, number: u32, error: io::Error) -> ReadError {
        ReadError::Io {
            path: self.path(number),
            error,
        }
    }
}

impl Source for FileSource {
    fn len(&self, number: u32) -> Result<Option<u64>, ReadError> {
        let metadata = match &self.open {
            Some((open, file)) if *open == number => file.metadata(),
            _ => std::fs::metadata(self.path(number)),
        };
        match metadata {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error(number, error)),
        }
    }

    fn read_exact_at(
        &mut self,
        number: u32,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<bool, ReadError> {
        let result = match &mut self.open {
            Some((open, file)) if *open == number => file.read_exact_at(buffer, offset),
            _ => {
                let file =
                    File::open(self.path(number)).map_err(|error| self.error(number, error))?;
                self.open
                    .insert((number, file))
                    .1
                    .read_exact_at(buffer, offset)
            }
        };
        match result {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(self.error(number, error)),
        }
    }

    fn last(&self) -> Result<Option<u32>, ReadError> {
        let dir = self.dir.join(JOURNAL_DIR);
        let read = || -> io::Result<Option<u32>> {
            let mut last = None;
            for entry in std::fs::read_dir(&dir)? {
                last = last.max(entry?.file_name().to_str().and_then(segment_number));
            }
            Ok(last)
        };
        read().map_err(|error| ReadError::Io {
            path: dir.clone(),
            error,
        })
    }

    fn live(&self) -> Result<bool, ReadError> {
        let failed = |error| ReadError::Io {
            path: self.dir.join(JOURNAL_DIR).join(crate::LOCK_FILE),
            error,
        };
        Ok(live::writer_of(&self.dir).map_err(failed)?.is_some())
    }

    fn path(&self, number: u32) -> PathBuf {
        self.dir.join(JOURNAL_DIR).join(segment_name(number))
    }
}

/// Segments in memory, that nobody writes.
#[derive(Debug)]
pub(super) struct MemorySource {
    segments: Vec<Vec<u8>>,
}

impl MemorySource {
    pub fn new(segments: Vec<Vec<u8>>) -> Self {
        Self { segments }
    }

    fn segment(&self, number: u32) -> Option<&[u8]> {
        self.segments.get(number as usize).map(Vec::as_slice)
    }
}

impl Source for MemorySource {
    fn len(&self, number: u32) -> Result<Option<u64>, ReadError> {
        Ok(self.segment(number).map(|bytes| bytes.len() as u64))
    }

    fn read_exact_at(
        &mut self,
        number: u32,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<bool, ReadError> {
        let rest = self
            .segment(number)
            .and_then(|bytes| bytes.get(usize::try_from(offset).ok()?..));
        let Some(bytes) = rest.and_then(|rest| rest.get(..buffer.len())) else {
            return Ok(false);
        };
        buffer.copy_from_slice(bytes);
        Ok(true)
    }

    fn last(&self) -> Result<Option<u32>, ReadError> {
        Ok(self
            .segments
            .len()
            .checked_sub(1)
            .and_then(|last| u32::try_from(last).ok()))
    }

    fn live(&self) -> Result<bool, ReadError> {
        Ok(false)
    }

    fn path(&self, number: u32) -> PathBuf {
        Path::new("memory").join(segment_name(number))
    }
}
