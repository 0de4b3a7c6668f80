//! Waiting for servers under test.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

/// Waits until something accepts connections on the port.
#[track_caller]
pub fn wait_for_port(port: u16, limit: Duration) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    wait_until(&format!("a listener on port {port}"), limit, || {
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    });
}

/// Polls `ready` until it holds; panics after `limit`.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !ready() {
        assert!(Instant::now() < deadline, "no {what} within {limit:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// How many segments of a connection's own end got lost so far: those that were sent again, without
/// those of which the other end said that it had them already.
pub fn segments_lost(stream: &TcpStream) -> u32 {
    /// `tcpi_total_retrans` and `tcpi_dsack_dups` of `struct tcp_info`.
    const SENT_AGAIN_AT: usize = 100;
    const DOUBLED_AT: usize = 216;
    let mut info = [0_u8; DOUBLED_AT + 4];
    let mut size = libc::socklen_t::try_from(info.len()).expect("a small size");
    // SAFETY: the kernel writes at most `size` bytes, which are there, and one length.
    let done = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    assert_eq!(done, 0, "TCP_INFO: {}", std::io::Error::last_os_error());
    assert_eq!(size as usize, info.len(), "this kernel tells less");
    let word = |at: usize| {
        let bytes = info[at..at + 4].try_into().expect("four bytes");
        u32::from_ne_bytes(bytes)
    };
    word(SENT_AGAIN_AT).saturating_sub(word(DOUBLED_AT))
}
