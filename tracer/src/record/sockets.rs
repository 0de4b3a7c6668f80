//! Internet sockets of an application behind a gate: of which connection one has become an end, and
//! what address the kernel chose for one. A standby has to give it the same.

use super::session::Session;
use super::syscalls::{is_error, is_restart};
use crate::model::capture::Call;
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::Effect;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

/// Sockets for datagrams that the journal has the address of; told again if there are more.
const TOLD_MAX: usize = 4096;
/// Bytes of a `sockaddr_in6`.
const ADDRESS_BYTES_MAX: usize = 28;

/// A call that may give a socket an address or a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gives {
    Accepted,
    Connected,
    Bound,
    Listens,
    /// Sends to an address, which lies there.
    Sent(u64),
}

impl Gives {
    fn by(tid: Pid, call: &Call) -> Option<Self> {
        Some(match call.def.name {
            "accept" | "accept4" => Self::Accepted,
            "connect" => Self::Connected,
            "bind" => Self::Bound,
            "listen" => Self::Listens,
            "sendto" => Self::Sent(call.args[4]),
            // The address is the first field of the first message.
            "sendmsg" | "sendmmsg" => Self::Sent(Remote(tid).read_u64(call.args[1]).ok()?),
            _ => return None,
        })
    }
}

impl Session {
    /// What a syscall has done to an internet socket.
    pub(super) fn follow_sockets(
        &mut self,
        tid: Pid,
        call: &Call,
        result: i64,
        effects: &mut Vec<Effect<'static>>,
    ) {
        if self.network.is_none() {
            return;
        }
        let (done, fd) = (!is_error(result), call.int(0));
        match Gives::by(tid, call) {
            Some(Gives::Accepted) if done => {
                let fd = i32::try_from(result).unwrap_or(-1);
                effects.extend(self.connected(tid, fd, None, true));
            }
            Some(Gives::Connected) if done || goes_on(result) => {
                let remote = address(tid, call.args[1], call.args[2]);
                effects.extend(self.connected(tid, fd, remote, done));
            }
            Some(Gives::Bound) if done => {
                let asked = address(tid, call.args[1], call.args[2]);
                if asked.is_some_and(|asked| asked.port() == 0) {
                    effects.extend(self.chosen(tid, fd));
                }
            }
            Some(Gives::Listens) if done => effects.extend(self.chosen(tid, fd)),
            Some(Gives::Sent(to)) if done && to != 0 && self.is_untold(tid, fd) => {
                effects.extend(self.chosen(tid, fd));
            }
            _ => {}
        }
    }

    /// A descriptor may have become an end of a TCP connection, or is about to. That of one for
    /// datagrams only has an address.
    fn connected(
        &mut self,
        tid: Pid,
        fd: i32,
        asked: Option<SocketAddr>,
        done: bool,
    ) -> Option<Effect<'static>> {
        let (socket, kind) = self.inet_socket(tid, fd)?;
        let local = socket.local_addr().ok().filter(|addr| addr.port() != 0)?;
        if kind != libc::SOCK_STREAM {
            return (kind == libc::SOCK_DGRAM).then(|| bound(fd, local));
        }
        let remote = socket.peer_addr().ok().or(asked)?;
        let process = self.tasks.get(&tid).map_or(tid, |task| task.tgid);
        let network = self.network.as_ref().filter(|_| done);
        if let Some(conn) = network.and_then(|network| network.connection(local, remote)) {
            self.connections.connected(process, fd, conn);
            return Some(Effect::Connection { fd, conn: conn.0 });
        }
        if !done {
            self.connections.asked(process, fd, (local, remote));
        }
        Some(Effect::Socket {
            fd,
            local: local.into(),
            remote: Some(remote.into()),
        })
    }

    /// The address that a socket has.
    fn chosen(&self, tid: Pid, fd: i32) -> Option<Effect<'static>> {
        let (socket, kind) = self.inet_socket(tid, fd)?;
        let named = matches!(kind, libc::SOCK_STREAM | libc::SOCK_DGRAM);
        let local = socket.local_addr().ok().filter(|addr| addr.port() != 0)?;
        named.then(|| bound(fd, local))
    }

    fn inet_socket(&self, tid: Pid, fd: i32) -> Option<(TcpStream, i32)> {
        let process = self.tasks.get(&tid).map_or(tid, |task| task.tgid);
        let socket = host::duplicate_of(process, fd).ok()?;
        let (family, kind) = host::socket_kind(&socket)?;
        let inet = matches!(family, libc::AF_INET | libc::AF_INET6);
        inet.then(|| (TcpStream::from(OwnedFd::from(socket)), kind))
    }

    /// Whether the journal does not have the address of a socket that sends datagrams.
    fn is_untold(&mut self, tid: Pid, fd: i32) -> bool {
        let Ok(meta) = std::fs::metadata(format!("/proc/{tid}/fd/{fd}")) else {
            return false;
        };
        if self.told_sockets.len() >= TOLD_MAX {
            self.told_sockets.clear();
        }
        self.told_sockets.insert(meta.ino())
    }
}

fn bound(fd: i32, local: SocketAddr) -> Effect<'static> {
    Effect::Socket {
        fd,
        local: local.into(),
        remote: None,
    }
}

/// Whether the kernel goes on with a connection although `connect` has returned.
fn goes_on(result: i64) -> bool {
    let errno = i32::try_from(-result).unwrap_or(0);
    is_restart(result) || matches!(errno, libc::EINPROGRESS | libc::EINTR)
}

/// An internet address in a thread's memory.
pub(crate) fn address(tid: Pid, at: u64, len: u64) -> Option<SocketAddr> {
    let mut bytes = [0; ADDRESS_BYTES_MAX];
    let len = usize::try_from(len).ok()?.min(ADDRESS_BYTES_MAX);
    let read = Remote(tid).read_some(at, bytes.get_mut(..len)?);
    parse(bytes.get(..read)?)
}

fn parse(bytes: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    let ip = match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => IpAddr::from(*rest.first_chunk::<4>()?),
        // Behind the flow label.
        libc::AF_INET6 => IpAddr::from(*rest.get(4..)?.first_chunk::<16>()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_reads_them() {
        let family = |family: i32| u16::try_from(family).expect("small").to_ne_bytes();
        let mut v4 = family(libc::AF_INET).to_vec();
        v4.extend([0x1f, 0x90, 127, 0, 0, 1]);
        assert_eq!(parse(&v4), "127.0.0.1:8080".parse().ok());
        let mut v6 = family(libc::AF_INET6).to_vec();
        v6.extend([0, 80, 9, 9, 9, 9]);
        v6.extend([0; 15]);
        v6.push(1);
        assert_eq!(parse(&v6), "[::1]:80".parse().ok());
        for len in 0..v6.len() {
            assert_eq!(parse(&v6[..len]), None);
        }
        let unix = family(libc::AF_UNIX);
        assert_eq!(parse(&[unix.as_slice(), b"/tmp/socket"].concat()), None);
    }
}
