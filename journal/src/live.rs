//! The lock that tells whether a journal is still being written.
//!
//! The kernel drops a `flock` when its holder dies, however it dies: a lock file
//! that is not locked belongs to a recording that is over.

use crate::{JOURNAL_DIR, LOCK_FILE};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Held by the writer for as long as it lives.
#[derive(Debug)]
pub(crate) struct WriterLock {
    _lock: Flock<File>,
}

impl WriterLock {
    /// Creates and locks the lock file of the journal directory `dir`.
    pub fn take(dir: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(dir.join(LOCK_FILE))?;
        Self::sign(&file)?;
        Self::lock(file)
    }

    /// Takes the lock of a writer that is gone. Fails at once if it is not.
    pub fn take_over(dir: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(LOCK_FILE))?;
        let lock = loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => break lock,
                Err((back, Errno::EWOULDBLOCK)) => back,
                Err((_, error)) => return Err(error.into()),
            };
            // A reader that looks just now holds it for an instant, together with us.
            file = match Flock::lock(file, FlockArg::LockSharedNonblock) {
                Ok(lock) => lock.unlock().map_err(|(_, error)| error)?,
                Err((_, error)) => return Err(error.into()),
            };
        };
        lock.set_len(0)?;
        Self::sign(&lock)?;
        Ok(Self { _lock: lock })
    }

    fn sign(mut file: &File) -> io::Result<()> {
        file.write_all(format!("{}\n", std::process::id()).as_bytes())
    }

    fn lock(mut file: File) -> io::Result<Self> {
        // A reader that looks just now holds it for an instant.
        loop {
            match Flock::lock(file, FlockArg::LockExclusive) {
                Ok(lock) => return Ok(Self { _lock: lock }),
                Err((back, Errno::EINTR)) => file = back,
                Err((_, error)) => return Err(error.into()),
            }
        }
    }
}

/// Process id of the supervisor that is writing the recording in `dir`; `None` if it
/// is over. A recording without a lock file is over.
pub fn writer_of(dir: &Path) -> io::Result<Option<u32>> {
    let mut file = match File::open(dir.join(JOURNAL_DIR).join(LOCK_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut pid = String::new();
    (&mut file).take(16).read_to_string(&mut pid)?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => Ok(None),
        Err((_, Errno::EWOULDBLOCK)) => Ok(Some(pid.trim().parse().unwrap_or(0))),
        Err((_, error)) => Err(error.into()),
    }
}
