//! Waiting for descriptors with a timeout in nanoseconds.

use super::check;
use nix::sys::epoll::{Epoll, EpollEvent};
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// How many there are of `events`, at the latest after `patience`; none if a signal came.
pub fn wait(
    epoll: &Epoll,
    events: &mut [EpollEvent],
    patience: Option<Duration>,
) -> io::Result<usize> {
    let patience = patience.map(|patience| libc::timespec {
        tv_sec: libc::time_t::try_from(patience.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(patience.subsec_nanos()),
    });
    let patience = patience
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    let room = i32::try_from(events.len()).unwrap_or(i32::MAX);
    // SAFETY: an `EpollEvent` is laid out as `epoll_event`; the kernel writes at most `room` of
    // them, and reads the time, if there is one.
    let done = check(unsafe {
        libc::epoll_pwait2(
            epoll.0.as_raw_fd(),
            events.as_mut_ptr().cast(),
            room,
            patience,
            std::ptr::null(),
        )
    });
    match done {
        Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}
