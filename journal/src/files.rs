//! Files kept with a recording, by content.
//!
//! A file that the application mapped or executed may change or vanish after the
//! recording: replay needs what it was. Equal content is kept once.

mod copy;
mod pool;
mod source;
mod transfer;

pub use pool::Pool;
pub use transfer::{Incoming, Outgoing, Piece};

use source::Source;
use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

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
    /// What goes through it, goes through here: fresh memory for each file costs more than reading it.
    buffer: Vec<u8>,
    /// Sizes of what is kept; `None`: nobody has looked.
    sizes: Option<HashSet<u64>>,
    /// What other recordings have kept.
    pool: Option<Pool>,
}

impl FileStore {
    /// Begins the store of the recording in `dir`, which must not have one yet.
    pub fn create(dir: &Path) -> Result<Self, FileError> {
        let dir = dir.join(FILES_DIR);
        DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(|error| io_error("create", &dir, error))?;
        Ok(Self::of(dir, Some(HashSet::new())))
    }

    /// Opens the store of the recording in `dir`.
    pub fn open(dir: &Path) -> Result<Self, FileError> {
        let dir = dir.join(FILES_DIR);
        match std::fs::metadata(&dir) {
            Ok(_) => Ok(Self::of(dir, None)),
            Err(error) => Err(io_error("open", &dir, error)),
        }
    }

    const fn of(dir: PathBuf, sizes: Option<HashSet<u64>>) -> Self {
        Self {
            dir,
            temporaries: 0,
            buffer: Vec::new(),
            sizes,
            pool: None,
        }
    }

    /// Shares content with other recordings, as far as files have identities that are known.
    pub fn share(&mut self, pool: Pool) {
        self.pool = Some(pool);
    }

    /// What it shares content with.
    #[must_use]
    pub const fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
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
        let source = Source::of(file);
        // If there is none of its size, it is not there: one pass is enough.
        let kept = if self.sizes.as_ref().is_some_and(|all| !all.contains(&size)) {
            None
        } else {
            let (hash, size) = self.hash(&source, size, &|| {})?;
            self.find(hash, size)?
        };
        kept.map_or_else(|| self.copy_in(&source, size, &|| {}), Ok)
    }

    /// [`Self::keep`] for a file with this identity: a name that it has as long as its content is the same, and that nothing else
    /// ever has while the kernel runs.
    pub fn keep_identified(
        &mut self,
        file: &File,
        size: u64,
        identity: &str,
    ) -> Result<Kept, FileError> {
        if let Some(kept) = self.shared(identity, size) {
            return Ok(kept);
        }
        let kept = self.keep(file, size)?;
        if kept.size == size
            && let Some(pool) = &self.pool
        {
            let _ = pool.add(identity, kept.hash, &self.path(kept.hash));
        }
        Ok(kept)
    }

    /// Content that the pool has.
    fn shared(&mut self, identity: &str, size: u64) -> Option<Kept> {
        let pool = self.pool.as_ref()?;
        let hash = pool.known(identity)?;
        let path = self.path(hash);
        let already = match pool.link(hash, &path) {
            Ok(()) => false,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => true,
            Err(_) => return None,
        };
        if path.metadata().ok()?.len() != size {
            return None;
        }
        if let Some(sizes) = &mut self.sizes {
            sizes.insert(size);
        }
        Some(Kept {
            hash,
            size,
            already,
        })
    }

    /// [`Self::keep`] if the content has this hash and size; whether it has. `at_work` is called again and
    /// again as the work goes on, which takes its time.
    pub fn keep_same(
        &mut self,
        file: &File,
        (hash, size): (u128, u64),
        at_work: &dyn Fn(),
    ) -> Result<bool, FileError> {
        let source = Source::of(file);
        if self.hash(&source, size, at_work)? != (hash, size) {
            return Ok(false);
        }
        if self.find(hash, size)?.is_some() {
            return Ok(true);
        }
        let kept = self.copy_in(&source, size, at_work)?;
        Ok((kept.hash, kept.size) == (hash, size))
    }

    fn hash(
        &mut self,
        source: &Source<'_>,
        size: u64,
        at_work: &dyn Fn(),
    ) -> Result<(u128, u64), FileError> {
        buffer(&mut self.buffer);
        source
            .hash(size, &mut self.buffer, at_work)
            .map_err(|error| io_error("read", &source.described(), error))
    }

    fn copy_in(
        &mut self,
        source: &Source<'_>,
        size: u64,
        at_work: &dyn Fn(),
    ) -> Result<Kept, FileError> {
        let temporary = self
            .dir
            .join(format!(".{}-{}", std::process::id(), self.temporaries));
        self.temporaries += 1;
        let kept = self.copy_as(source, size, &temporary, at_work);
        if !matches!(kept, Ok(Kept { already: false, .. })) {
            let _ = std::fs::remove_file(&temporary);
        }
        kept
    }

    fn copy_as(
        &mut self,
        source: &Source<'_>,
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
        buffer(&mut self.buffer);
        let (hash, size) = source
            .copy(&copy, size, &mut self.buffer, at_work)
            .map_err(|error| io_error("copy", &source.described(), error))?;
        if let Some(kept) = self.find(hash, size)? {
            return Ok(kept);
        }
        let path = self.path(hash);
        std::fs::rename(temporary, &path).map_err(|error| io_error("create", &path, error))?;
        if let Some(sizes) = &mut self.sizes {
            sizes.insert(size);
        }
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
        let (found, _) =
            hash_file(&file, u64::MAX).map_err(|error| io_error("read", &path, error))?;
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
        copy::copy_content(&kept, to, size).map_err(failed)
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
    let mut bytes = Vec::new();
    buffer(&mut bytes);
    Source::of(file).hash(size, &mut bytes, &|| {})
}

/// A buffer is as large as it is to be.
fn buffer(buffer: &mut Vec<u8>) {
    buffer.resize(BUFFER_BYTES, 0);
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
