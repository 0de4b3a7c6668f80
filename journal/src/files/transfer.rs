//! Kept files on their way between two stores: read with their holes, written, and checked
//! against their name before they get it.

use super::source::{Source, hash_zeros};
use super::{BUFFER_BYTES, FileError, FileStore, Kept, copy, io_error};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use xxhash_rust::xxh3::Xxh3;

/// A kept file that is being read.
#[derive(Debug)]
pub struct Outgoing {
    file: File,
    path: PathBuf,
    at: u64,
    size: u64,
}

/// The next piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes were read.
    Data(usize),
    /// So many zeros that take no space.
    Hole(u64),
}

impl Outgoing {
    /// Reads the next piece, which has at most as many bytes as `buffer`, or as `hole_max`.
    /// `None` at the end.
    pub fn next(&mut self, buffer: &mut [u8], hole_max: u64) -> Result<Option<Piece>, FileError> {
        if self.at >= self.size {
            return Ok(None);
        }
        let (start, end) =
            copy::next_data(&self.file, self.at, self.size).unwrap_or((self.size, self.size));
        let hole = (start - self.at).min(hole_max);
        if hole > 0 {
            self.at += hole;
            return Ok(Some(Piece::Hole(hole)));
        }
        let want = usize::try_from(end - start).map_or(buffer.len(), |len| len.min(buffer.len()));
        let read = loop {
            match self.file.read_at(&mut buffer[..want], start) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => Err(io_error(
                "read all of",
                &self.path,
                io::ErrorKind::UnexpectedEof.into(),
            )),
            Ok(len) => {
                self.at += len as u64;
                Ok(Some(Piece::Data(len)))
            }
            Err(error) => Err(io_error("read", &self.path, error)),
        }
    }
}

/// A kept file that is being written.
pub struct Incoming {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    hasher: Xxh3,
    hash: u128,
    at: u64,
    size: u64,
}

impl FileStore {
    /// Whether content with this hash and size is kept.
    pub fn has(&self, hash: u128, size: u64) -> Result<bool, FileError> {
        Ok(self.find(hash, size)?.is_some())
    }

    /// Begins to read kept content from byte `from`.
    pub fn read_kept(&self, hash: u128, from: u64) -> Result<Outgoing, FileError> {
        let path = self.path(hash);
        let file = self.open_kept(hash)?;
        let size = file
            .metadata()
            .map_err(|error| io_error("read", &path, error))?
            .len();
        Ok(Outgoing {
            file,
            path,
            at: from,
            size,
        })
    }

    /// Begins to write content that must have this hash and size, or goes on where the
    /// last attempt ended.
    pub fn receive(&self, hash: u128, size: u64) -> Result<Incoming, FileError> {
        let temporary = self.dir.join(format!(".{hash:032x}"));
        let failed = |error| io_error("write", &temporary, error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&temporary)
            .map_err(failed)?;
        let mut at = file.metadata().map_err(failed)?.len();
        if at > size {
            file.set_len(0).map_err(failed)?;
            at = 0;
        }
        let mut hasher = Xxh3::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        let at = Source::shared(&file)
            .read(&mut hasher, at, &mut buffer, &|| {}, &mut |_, _| Ok(()))
            .map_err(failed)?;
        Ok(Incoming {
            file,
            temporary,
            path: self.path(hash),
            hasher,
            hash,
            at,
            size,
        })
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("path", &self.path)
            .field("at", &self.at)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Incoming {
    /// Bytes that are there.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Writes what comes next. After an error, nothing of it counts.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.check(bytes.len() as u64)?;
        if let Err(error) = self.file.write_all_at(bytes, self.at) {
            let _ = self.file.set_len(self.at);
            return Err(io_error("write", &self.temporary, error));
        }
        self.hasher.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Leaves a hole of `len` bytes.
    pub fn hole(&mut self, len: u64) -> Result<(), FileError> {
        self.check(len)?;
        self.file
            .set_len(self.at + len)
            .map_err(|error| io_error("write", &self.temporary, error))?;
        hash_zeros(&mut self.hasher, len);
        self.at += len;
        Ok(())
    }

    /// Gives it its name, if that is what it is.
    pub fn finish(self) -> Result<Kept, FileError> {
        let found = self.hasher.digest128();
        if self.at != self.size || found != self.hash {
            let _ = std::fs::remove_file(&self.temporary);
            return Err(FileError::Changed {
                path: self.path,
                found,
            });
        }
        let failed = |error| io_error("create", &self.path, error);
        let mut permissions = self.file.metadata().map_err(failed)?.permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o400);
        self.file.set_permissions(permissions).map_err(failed)?;
        std::fs::rename(&self.temporary, &self.path).map_err(failed)?;
        Ok(Kept {
            hash: self.hash,
            size: self.size,
            already: false,
        })
    }

    fn check(&self, len: u64) -> Result<(), FileError> {
        match self.at.checked_add(len) {
            Some(end) if end <= self.size => Ok(()),
            _ => Err(FileError::Longer {
                path: self.path.clone(),
                size: self.size,
            }),
        }
    }
}
