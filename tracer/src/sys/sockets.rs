//! Sockets that belong to others, who are stopped meanwhile.

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Shutdown, SockaddrStorage, bind, getsockname, shutdown};
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

/// How long a connection inside one machine may take.
const INSIDE_MS_MAX: u16 = 1000;

/// The address that an internet socket is bound to, if it is.
#[must_use]
pub fn bound_to(socket: &File) -> Option<SocketAddr> {
    let name: SockaddrStorage = getsockname(socket.as_raw_fd()).ok()?;
    let found = match (name.as_sockaddr_in(), name.as_sockaddr_in6()) {
        (Some(name), _) => SocketAddr::from((name.ip(), name.port())),
        (_, Some(name)) => SocketAddr::from((name.ip(), name.port())),
        _ => return None,
    };
    (found.port() != 0).then_some(found)
}

/// Binds an internet socket to an address, unless it has one.
pub fn bind_unbound(socket: &File, to: SocketAddr) -> io::Result<()> {
    let name: SockaddrStorage = getsockname(socket.as_raw_fd())?;
    if bound_to(socket).is_some() {
        return Ok(());
    }
    let ip = match to.ip() {
        IpAddr::V4(ip) if name.as_sockaddr_in6().is_some() => {
            if ip.is_unspecified() {
                std::net::Ipv6Addr::UNSPECIFIED.into()
            } else {
                ip.to_ipv6_mapped().into()
            }
        }
        ip => ip,
    };
    let to = SocketAddr::new(ip, to.port());
    Ok(bind(socket.as_raw_fd(), &SockaddrStorage::from(to))?)
}

/// Whether calls on a descriptor wait.
pub fn waits(file: &File) -> io::Result<bool> {
    let flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    Ok(!flags.contains(OFlag::O_NONBLOCK))
}

/// Ends one direction of a connection.
pub fn shut(socket: &File, way: Shutdown) -> io::Result<()> {
    Ok(shutdown(socket.as_raw_fd(), way)?)
}

/// Waits for a connection inside this machine to be there.
pub fn await_writable(socket: &File) -> io::Result<()> {
    let mut entry = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut entry, PollTimeout::from(INSIDE_MS_MAX))? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}
