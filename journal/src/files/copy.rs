//! Copying content: shared where the filesystem can, and without filling holes.

use crate::sys;
use nix::errno::Errno;
use nix::fcntl::{OFlag, copy_file_range, open};
use nix::sys::stat::Mode;
use nix::unistd::{Whence, lseek};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The same file with a file position of its own: the application may share that of
/// `file`. Also makes a file readable that was opened for writing only.
pub(super) fn reopen(file: &File) -> Option<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    open(path.as_str(), flags, Mode::empty())
        .ok()
        .map(File::from)
}

/// Names a file in messages.
pub(super) fn describe(file: &File) -> PathBuf {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::read_link(&link).unwrap_or_else(|_| Path::new(&link).into())
}

/// Makes the content of `to`, which is empty, the first `size` bytes of `from`.
pub(super) fn copy_content(from: &File, to: &File, size: u64) -> io::Result<()> {
    if sys::clone_content(from, to).is_ok() {
        if to.metadata()?.len() > size {
            to.set_len(size)?;
        }
        return Ok(());
    }
    // As long from the beginning: holes need not be written then.
    to.set_len(size.min(from.metadata()?.len()))?;
    let mut at = 0;
    while let Some((start, end)) = next_data(from, at, size) {
        copy_range(from, to, (start, end))?;
        at = end;
    }
    Ok(())
}

/// The next range at or after `at` that is no hole; all that is left if the
/// filesystem cannot tell.
pub(super) fn next_data(file: &File, at: u64, size: u64) -> Option<(u64, u64)> {
    if at >= size {
        return None;
    }
    let seek = |at: u64, whence| {
        lseek(
            file,
            i64::try_from(at).map_err(|_| Errno::EOVERFLOW)?,
            whence,
        )
    };
    let start = match seek(at, Whence::SeekData) {
        Ok(start) => u64::try_from(start).unwrap_or(at),
        Err(Errno::ENXIO) => return None,
        Err(_) => return Some((at, size)),
    };
    let end = seek(start, Whence::SeekHole)
        .ok()
        .and_then(|end| u64::try_from(end).ok())
        .unwrap_or(size);
    (start < size).then_some((start, end.clamp(start, size)))
}

fn copy_range(from: &File, to: &File, (start, end): (u64, u64)) -> io::Result<()> {
    let mut at = start;
    while at < end {
        let (Ok(mut from_at), Ok(mut to_at)) = (i64::try_from(at), i64::try_from(at)) else {
            break;
        };
        let want = usize::try_from(end - at).unwrap_or(usize::MAX);
        match copy_file_range(from, Some(&mut from_at), to, Some(&mut to_at), want) {
            Ok(len) if len > 0 => at += len as u64,
            Err(Errno::EINTR) => {}
            // Across filesystems, from special ones, at the end of one that shrank.
            _ => return copy_by_hand(from, to, (at, end)),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &File, to: &File, (start, end): (u64, u64)) -> io::Result<()> {
    let mut buffer = vec![0; super::BUFFER_BYTES];
    let mut at = start;
    while at < end {
        let want = usize::try_from(end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        match from.read_at(&mut buffer[..want], at) {
            Ok(0) => break,
            Ok(len) => {
                to.write_all_at(&buffer[..len], at)?;
                at += len as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
