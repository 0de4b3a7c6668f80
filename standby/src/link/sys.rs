//! The socket option that no safe interface has.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// Has writing wait while this much is not yet sent, so that what is written next is not behind
/// more than that.
pub(super) fn limit_unsent(socket: &TcpStream, bytes: u32) -> io::Result<()> {
    const LEN: libc::socklen_t = 4;
    // SAFETY: the kernel reads one word of the length that it is told.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const bytes).cast(),
            LEN,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
