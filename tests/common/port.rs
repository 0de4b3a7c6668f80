//! Ports for servers of tests.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port nothing listens on, below the range that the kernel hands out to clients: a port from
/// that range could be taken by anybody's connection before the server binds it.
pub fn free_port() -> u16 {
    port_where(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}

/// The same for datagrams.
pub fn free_udp_port() -> u16 {
    port_where(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}

fn port_where(is_free: impl Fn(u16) -> bool) -> u16 {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 16_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test binaries run one after another or side by side: start each somewhere else.
    let start = std::process::id().wrapping_mul(97) % u32::from(COUNT);
    let start = u16::try_from(start).expect("a remainder of a u16");
    for _ in 0..COUNT {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + offset % COUNT) % COUNT;
        if is_free(port) {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
