//! Everything `unsafe` of the gate: raw packets, the TUN device, socket repair.

pub mod address;
pub mod device;
pub mod netns;
pub mod packet;
pub mod repair;
pub mod tun;
pub mod wait;

use std::io;
use std::os::fd::RawFd;

/// What the system said, if a call returned −1.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The number of bytes that a call transferred.
fn count(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Sets an option of a socket to a plain structure.
fn set_option<T: Copy>(fd: RawFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    let value: *const T = value;
    // SAFETY: the kernel reads `len` bytes of a live value of exactly that size.
    check(unsafe { libc::setsockopt(fd, level, name, value.cast(), len) }).map(drop)
}

/// Reads an option of a socket over `value`, a structure for which every bit pattern is good.
fn get_option<T: Copy>(fd: RawFd, level: i32, name: i32, mut value: T) -> io::Result<T> {
    let mut len = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    let at: *mut T = &raw mut value;
    // SAFETY: the kernel writes at most `len` bytes to a live value of that size, and callers
    // use structures of plain integers only.
    check(unsafe { libc::getsockopt(fd, level, name, at.cast(), &raw mut len) })?;
    Ok(value)
}
