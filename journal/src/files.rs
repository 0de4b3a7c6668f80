//! Files kept with a recording, by content.
//!
//! A file that the application mapped or executed may change or vanish after the
//! recording: replay needs what it was. Equal content is kept once.

mod copy;
mod transfer;

pub use transfer::{Incoming, Outgoing, Piece};

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// The store's directory in a recording.
const FILES_DIR: &str = "files";
const BUFFER_BYTES: usize = 256 << 10;

/// Why a file cannot be kept, or not be found again.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("cannot {doing} {}: {error}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The recording does not contain it.
    #[error("the recording lacks the kept file {}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Its content is not what was kept.
    #[error("the kept file {} has changed: its content now has the hash {found:032x}", path.display())]
    Changed {
        /// Where it is.
        path: PathBuf,
        /// Hash of what it contains.
        found: u128,
    },
    /// More came than was announced.
    #[error("the kept file {} has more than its {size} bytes", path.display())]
    Longer {
        /// Where it will be.
        path: PathBuf,
        /// Bytes announced.
        size: u64,
    },
}

impl FileError {
    /// Whether the medium is full: what is there stays good, and it can go on later.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { error, .. } if matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ))
    }
}

/// A file that was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// XXH3-128 of the content.
    pub hash: u128,
    /// Bytes.
    pub size: u64,
    /// Whether the store had it before.
    pub already: bool,
}

/// The kept files of one recording.
#[derive(Debug)]
pub struct FileStore {
    dir: PathBuf,
    temporaries: u32,
}

impl FileStore {
    /// Begins the store of the recording in `dir`, which must not have one yet.
    pub fn create(dir: &Path) -> Result<Self, FileError> {
        let dir = dir.join(FILES_DIR);
        DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(|error| io_error("create", &dir, error))?;
        Ok(Self {
            dir,
            temporaries: 0,
        })
    }

    /// Opens the store of the recording in `dir`.
    pub fn open(dir: &Path) -> Result<Self, FileError> {
        let dir = dir.join(FILES_DIR);
        match std::fs::metadata(&dir) {
            Ok(_) => Ok(Self {
                dir,
                temporaries: 0,
            }),
            Err(error) => Err(io_error("open", &dir, error)),
        }
    }

    /// Opens the store of the recording in `dir`, and begins it if there is none.
    pub fn open_or_create(dir: &Path) -> Result<Self, FileError> {
        match Self::create(dir) {
            Err(FileError::Io { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists => {
                Self::open(dir)
            }
            created => created,
        }
    }

    /// Keeps the first `size` bytes of `file`, whose file position stays as it is. If it
    /// changes meanwhile, some state that it went through is kept, and described truly.
    pub fn keep(&mut self, file: &File, size: u64) -> Result<Kept, FileError> {
        self.keep_if(file, size, &|_, _| true, &|| {})
    }

    /// The same if the content has this hash and size; whether it has. `at_work` is called again and
    /// again as the work goes on, which takes its time.
    pub fn keep_same(
        &mut self,
        file: &File,
        (hash, size): (u128, u64),
        at_work: &dyn Fn(),
    ) -> Result<bool, FileError> {
        let is_same = |found, len| (found, len) == (hash, size);
        let kept = self.keep_if(file, size, &is_same, at_work)?;
        Ok(is_same(kept.hash, kept.size))
    }

    fn keep_if(
        &mut self,
        file: &File,
        size: u64,
        wanted: &dyn Fn(u128, u64) -> bool,
        at_work: &dyn Fn(),
    ) -> Result<Kept, FileError> {
        let own = copy::reopen(file);
        let source = own.as_ref().unwrap_or(file);
        let described = copy::describe(file);
        let (hash, size) = hash_file_as(source, size, own.is_some(), at_work)
            .map_err(|error| io_error("read", &described, error))?;
        if !wanted(hash, size) {
            let already = false;
            return Ok(Kept {
                hash,
                size,
                already,
            });
        }
        if let Some(kept) = self.find(hash, size)? {
            return Ok(kept);
        }
        let temporary = self
            .dir
            .join(format!(".{}-{}", std::process::id(), self.temporaries));
        self.temporaries += 1;
        let kept = self.copy_in(source, &described, size, &temporary, at_work);
        if !matches!(kept, Ok(Kept { already: false, .. })) {
            let _ = std::fs::remove_file(&temporary);
        }
        kept
    }

    fn copy_in(
        &self,
        source: &File,
        described: &Path,
        size: u64,
        temporary: &Path,
        at_work: &dyn Fn(),
    ) -> Result<Kept, FileError> {
        let failed = |error| io_error("write", temporary, error);
        let mut options = OpenOptions::new();
        let copy = options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(temporary)
            .map_err(failed)?;
        copy::copy_content(source, &copy, size, at_work)
            .map_err(|error| io_error("copy", described, error))?;
        // What counts is what lies here now, not what was read a moment ago.
        let (hash, size) = hash_file_as(&copy, size, true, at_work).map_err(failed)?;
        if let Some(kept) = self.find(hash, size)? {
            return Ok(kept);
        }
        let path = self.path(hash);
        std::fs::rename(temporary, &path).map_err(|error| io_error("create", &path, error))?;
        Ok(Kept {
            hash,
            size,
            already: false,
        })
    }

    fn find(&self, hash: u128, size: u64) -> Result<Option<Kept>, FileError> {
        let path = self.path(hash);
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.len() == size => Ok(Some(Kept {
                hash,
                size,
                already: true,
            })),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("open", &path, error)),
        }
    }

    /// Where content with this hash is kept.
    #[must_use]
    pub fn path(&self, hash: u128) -> PathBuf {
        self.dir.join(format!("{hash:032x}"))
    }

    /// Opens kept content for reading.
    pub fn open_kept(&self, hash: u128) -> Result<File, FileError> {
        let path = self.path(hash);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FileError::Missing { path },
            _ => io_error("open", &path, error),
        })
    }

    /// Reads kept content and checks that it is still what its name says.
    pub fn verify(&self, hash: u128) -> Result<(), FileError> {
        let path = self.path(hash);
        let file = self.open_kept(hash)?;
        let (found, _) = hash_file_as(&file, u64::MAX, true, &|| {})
            .map_err(|error| io_error("read", &path, error))?;
        if found == hash {
            Ok(())
        } else {
            Err(FileError::Changed { path, found })
        }
    }

    /// Copies kept content into `to`, which is empty.
    pub fn copy_out(&self, hash: u128, to: &File) -> Result<(), FileError> {
        let path = self.path(hash);
        let failed = |error| io_error("copy", &path, error);
        let kept = self.open_kept(hash)?;
        let size = kept.metadata().map_err(failed)?.len();
        copy::copy_content(&kept, to, size, &|| {}).map_err(failed)
    }

    /// Everything kept: hash and size, by hash.
    pub fn list(&self) -> Result<Vec<(u128, u64)>, FileError> {
        let read = || -> io::Result<Vec<(u128, u64)>> {
            let mut list = Vec::new();
            for entry in std::fs::read_dir(&self.dir)? {
                let entry = entry?;
                if let Some(hash) = entry.file_name().to_str().and_then(hash_of_name) {
                    list.push((hash, entry.metadata()?.len()));
                }
            }
            list.sort_unstable();
            Ok(list)
        };
        read().map_err(|error| io_error("list", &self.dir, error))
    }

    /// Makes everything kept survive a loss of power.
    pub fn sync(&self) -> Result<(), FileError> {
        for (hash, _) in self.list()? {
            let path = self.path(hash);
            self.open_kept(hash)?
                .sync_all()
                .map_err(|error| io_error("sync", &path, error))?;
        }
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| io_error("sync", &self.dir, error))
    }
}

/// Hash and size of the first `size` bytes of a file, or of fewer if it has fewer.
/// Leaves its file position alone.
pub fn hash_file(file: &File, size: u64) -> io::Result<(u128, u64)> {
    let own = copy::reopen(file);
    hash_file_as(own.as_ref().unwrap_or(file), size, own.is_some(), &|| {})
}

/// The same; `own` says that its file position is nobody else's, so that holes, which
/// may be many times as long as the data, need not be read.
fn hash_file_as(file: &File, size: u64, own: bool, at_work: &dyn Fn()) -> io::Result<(u128, u64)> {
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let metadata = file.metadata()?;
    if own && metadata.is_file() {
        let mut at = 0;
        let size = size.min(metadata.len());
        let zeros = vec![0; BUFFER_BYTES];
        while let Some((start, end)) = copy::next_data(file, at, size) {
            hash_zeros(&mut hash, &zeros, start - at);
            let read = hash_range(&mut hash, &mut buffer, file, (start, end), at_work)?;
            at = start + read;
            if at < end {
                return Ok((hash.digest128(), at));
            }
        }
        hash_zeros(&mut hash, &zeros, size - at);
        return Ok((hash.digest128(), size));
    }
    let read = hash_range(&mut hash, &mut buffer, file, (0, size), at_work)?;
    Ok((hash.digest128(), read))
}

fn hash_zeros(hash: &mut Xxh3, zeros: &[u8], mut len: u64) {
    while len > 0 {
        let piece = usize::try_from(len).map_or(zeros.len(), |len| len.min(zeros.len()));
        hash.update(&zeros[..piece]);
        len -= piece as u64;
    }
}

/// Hashes a range of a file; how many bytes it had there.
fn hash_range(
    hash: &mut Xxh3,
    buffer: &mut [u8],
    file: &File,
    (start, end): (u64, u64),
    at_work: &dyn Fn(),
) -> io::Result<u64> {
    let mut at = start;
    while at < end {
        at_work();
        let want = usize::try_from(end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        match file.read_at(&mut buffer[..want], at) {
            Ok(0) => break,
            Ok(len) => {
                hash.update(&buffer[..len]);
                at += len as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at - start)
}

/// The hash that a kept file's name says; `None` for any other name.
fn hash_of_name(name: &str) -> Option<u128> {
    let hash = u128::from_str_radix(name, 16).ok()?;
    (format!("{hash:032x}") == name).then_some(hash)
}

fn io_error(doing: &'static str, path: &Path, error: io::Error) -> FileError {
    FileError::Io {
        doing,
        path: path.into(),
        error,
    }
}
