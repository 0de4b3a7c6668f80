//! File systems that are mounted nowhere yet.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// An empty file system in memory.
pub fn in_memory() -> io::Result<OwnedFd> {
    let kind = c"tmpfs";
    // SAFETY: a terminated string.
    let context =
        made(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC) })?;
    configure(
        &context,
        libc::FSCONFIG_SET_STRING,
        Some((c"mode", c"0700")),
    )?;
    configure(&context, libc::FSCONFIG_CMD_CREATE, None)?;
    // SAFETY: no memory is involved.
    made(unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            context.as_raw_fd(),
            libc::FSMOUNT_CLOEXEC,
            0,
        )
    })
}

fn configure(context: &OwnedFd, command: u32, pair: Option<(&CStr, &CStr)>) -> io::Result<()> {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: terminated strings, or null where none is wanted.
    let done = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            command,
            pointer(pair.map(|(key, _)| key)),
            pointer(pair.map(|(_, value)| value)),
            0,
        )
    };
    if done == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn made(result: libc::c_long) -> io::Result<OwnedFd> {
    match i32::try_from(result) {
        // SAFETY: a descriptor that the kernel has just made for us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
