//! The system calls that need `unsafe` here.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Makes all of `to` share the storage of `from`, where the filesystem can.
pub(crate) fn clone_content(from: &File, to: &File) -> io::Result<()> {
    // SAFETY: FICLONE takes a file descriptor by value and touches no memory of ours.
    let result = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Starts writing bytes `from..to` of a file to its medium, without waiting for the end of it.
/// A hint: nothing depends on whether it is followed.
pub(crate) fn start_writeback(file: &File, from: u64, to: u64) {
    let (Ok(offset), Ok(len)) = (i64::try_from(from), i64::try_from(to - from)) else {
        return;
    };
    // SAFETY: sync_file_range takes numbers by value and touches no memory of ours.
    unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE) };
}
