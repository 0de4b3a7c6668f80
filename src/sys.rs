//! All `unsafe` of the command line: small questions to the kernel, each with a safe face.

mod features;
pub mod interrupt;
pub mod orphans;
pub mod place;
mod tracing;

pub use features::{cpuid_faulting, set_tid, tcp_repair, tsc_trapping, tun};
pub use tracing::trace_a_child;

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether nobody will read what is written to standard output any more.
pub fn is_reader_gone() -> bool {
    let mut poll = libc::pollfd {
        fd: libc::STDOUT_FILENO,
        events: 0,
        revents: 0,
    };
    // SAFETY: one valid structure, which the kernel fills.
    let found = unsafe { libc::poll(&raw mut poll, 1, 0) };
    found == 1 && poll.revents & libc::POLLERR != 0
}

/// Whether this process has root's rights.
pub fn is_root() -> bool {
    // SAFETY: it always succeeds, and no memory is involved.
    unsafe { libc::geteuid() == 0 }
}

/// Bytes that this process may still write to the file system of `path`, and inodes.
pub fn free_space(path: &Path) -> io::Result<(u64, u64)> {
    let path = c_path(path)?;
    // SAFETY: zeros are a valid structure; the path is NUL-terminated.
    let (done, stat) = unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(path.as_ptr(), &raw mut stat), stat)
    };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    // File systems without inodes say that there are none at all.
    let inodes = if stat.f_files == 0 {
        u64::MAX
    } else {
        stat.f_favail
    };
    Ok((stat.f_bavail.saturating_mul(stat.f_frsize), inodes))
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// The error of the last call, if it failed.
fn ok(done: libc::c_long) -> io::Result<()> {
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Waits for the end of a child; its wait status.
fn wait_for(child: libc::pid_t) -> io::Result<i32> {
    let mut status = 0;
    loop {
        // SAFETY: the kernel fills the status.
        let done = unsafe { libc::waitpid(child, &raw mut status, libc::__WALL) };
        match ok(done.into()) {
            Ok(()) => return Ok(status),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
