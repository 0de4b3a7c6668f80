//! Internet sockets of a shadow: addresses that the kernel chose then, and connections that the
//! gate does not know by name yet, or never will.
//!
//! A connection that the application asks for is *pending* until something shows that it is
//! there: the gate's model has it, and something went through it. Those inside the application
//! are in [`super::inner`].

use super::kinds::{Kind, Socket};
use super::table::{self, Shadow as Policy};
use crate::model::capture::Call;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::sockets;
use journal::{ConnId, Effect, Endpoint, Leave, Tid};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What an application is told that learns of a connection that there is none.
const LOST: [i32; 8] = [
    libc::ECONNREFUSED,
    libc::ECONNRESET,
    libc::ECONNABORTED,
    libc::ETIMEDOUT,
    libc::EHOSTUNREACH,
    libc::ENETUNREACH,
    libc::EPIPE,
    libc::ENOTCONN,
];
/// After these, an attempt to connect goes on.
const GOES_ON: [i32; 4] = [
    libc::EINPROGRESS,
    libc::EALREADY,
    libc::EISCONN,
    libc::EAGAIN,
];

impl Session {
    /// Gives a socket the address that the kernel chose for it then, if the syscall had it choose.
    /// True if that is all that the syscall did.
    pub(super) fn bind_as_then(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<bool, ReplayError> {
        for effect in &leave.effects {
            let Effect::Socket {
                fd,
                local,
                remote: None,
            } = effect
            else {
                continue;
            };
            let socket = self.duplicate(tid, *fd)?;
            let asked = call.def.name == "bind";
            let address = SocketAddr::from(*local);
            let address = if asked { address } else { anywhere(address) };
            sockets::bind_unbound(&socket, address)
                .map_err(ReplayError::os(format!("binding a socket to {local}")))?;
            if asked {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A descriptor may be an end of a connection since the current syscall.
    pub(super) fn note_connection(
        &mut self,
        tid: Tid,
        fd: i32,
        leave: &Leave<'_>,
        accepted: bool,
    ) -> Result<(), ReplayError> {
        let kind = self.kind(tid, fd)?;
        let (Kind::Socket(Socket { inode, .. }), Some(shadow)) = (kind, &mut self.shadow) else {
            return Ok(());
        };
        let Some(network) = &shadow.network else {
            return Ok(());
        };
        for effect in &leave.effects {
            match effect {
                Effect::Connection { fd: of, conn } if *of == fd => {
                    shadow.pending.remove(&inode);
                    shadow.conns.insert(inode, ConnId(*conn));
                    network.known(ConnId(*conn));
                }
                Effect::Socket {
                    fd: of,
                    local,
                    remote: Some(remote),
                } if *of == fd => {
                    if accepted || network.is_inside(SocketAddr::from(*remote).ip()) {
                        shadow.inner.begin(inode, *local, *remote, accepted);
                    } else {
                        shadow.pending.insert(inode, (*local, *remote));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The connection that a socket is an end of, as far as the gate knows it.
    pub(super) fn connection_of(&mut self, inode: u64) -> Option<ConnId> {
        let shadow = self.shadow.as_mut()?;
        if let Some(conn) = shadow.conns.get(&inode) {
            return Some(*conn);
        }
        let (local, remote) = *shadow.pending.get(&inode)?;
        let conn = shadow
            .network
            .as_ref()?
            .opened(local.into(), remote.into())?;
        shadow.pending.remove(&inode);
        shadow.conns.insert(inode, conn);
        Some(conn)
    }

    /// Whether a socket is an end of a connection inside the application.
    pub(super) fn is_inner(&self, kind: Kind) -> Option<u64> {
        let (Kind::Socket(Socket { inode, .. }), Some(shadow)) = (kind, &self.shadow) else {
            return None;
        };
        shadow.inner.has(inode).then_some(inode)
    }

    /// A syscall failed: perhaps the application has learned so that it is not connected.
    pub(super) fn may_have_lost(
        &mut self,
        tid: Tid,
        call: &Call,
        result: i64,
    ) -> Result<(), ReplayError> {
        let idle = self
            .shadow
            .as_ref()
            .is_none_or(|shadow| shadow.pending.is_empty() && shadow.inner.is_empty());
        let errno = i32::try_from(-result).unwrap_or(0);
        let lost = match table::of(call) {
            _ if idle => false,
            Policy::Connect => !GOES_ON.contains(&errno),
            Policy::Take | Policy::Put => LOST.contains(&errno),
            _ => false,
        };
        if lost {
            self.lost_connection(tid, call.int(0))?;
        }
        Ok(())
    }

    /// The application has asked a socket for its error.
    pub(super) fn error_asked(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        let told = leave.outs.iter().find(|out| out.addr == call.args[3]);
        let none = told.is_none_or(|out| out.data.iter().all(|byte| *byte == 0));
        if call.int(1) == libc::SOL_SOCKET && !none {
            self.lost_connection(tid, call.int(0))?;
        }
        Ok(())
    }

    /// A connection that the application asked for did not come into being.
    fn lost_connection(&mut self, tid: Tid, fd: i32) -> Result<(), ReplayError> {
        if let (Kind::Socket(socket), Some(shadow)) = (self.kind(tid, fd)?, &mut self.shadow) {
            shadow.pending.remove(&socket.inode);
            shadow.inner.forget(socket.inode);
        }
        Ok(())
    }

    /// A socket's last descriptor was closed.
    pub(super) fn closed_socket(&mut self, inode: u64) {
        let conn = self.connection_of(inode);
        let Some(shadow) = &mut self.shadow else {
            return;
        };
        shadow.pending.remove(&inode);
        shadow.conns.remove(&inode);
        shadow.deaf.remove(&inode);
        shadow.inner.close(inode);
        if let (Some(conn), Some(network)) = (conn, &shadow.network) {
            network.closed(conn);
        }
    }

    /// Sockets that are, or may become, ends of connections.
    pub(super) fn connected_sockets(&self) -> Vec<u64> {
        let Some(shadow) = &self.shadow else {
            return Vec::new();
        };
        let mut all = shadow.inner.open();
        all.extend(shadow.conns.keys());
        all.extend(shadow.pending.keys());
        all
    }

    /// One side of a connection was ended.
    pub(super) fn shut(&mut self, tid: Tid, call: &Call) -> Result<(), ReplayError> {
        let kind = self.kind(tid, call.int(0))?;
        let Kind::Socket(socket) = kind else {
            return Ok(());
        };
        let conn = self.connection_of(socket.inode);
        let inner = self.is_inner(kind);
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        let (reads, writes) = (call.int(1) != libc::SHUT_WR, call.int(1) != libc::SHUT_RD);
        if reads && (conn.is_some() || inner.is_some()) {
            shadow.deaf.insert(socket.inode);
        }
        if let (Some(conn), Some(network)) = (conn, &shadow.network) {
            if writes {
                network.shut(conn);
            }
            return Ok(());
        }
        if let Some(inode) = inner {
            if writes {
                shadow.inner.shut(inode);
            }
            return Ok(());
        }
        // The kernel gives up what it was asking for.
        if shadow.pending.remove(&socket.inode).is_none() && shadow.streams.owns(socket.inode) {
            return self.same(tid, call, Some(0));
        }
        Ok(())
    }

    /// Bytes were put into a connection inside the application.
    pub(super) fn put_inner(&mut self, inode: u64, bytes: &[u8]) -> Result<(), ReplayError> {
        let put = self
            .shadow
            .as_mut()
            .map(|shadow| shadow.inner.put(inode, bytes));
        match put {
            Some(Err(super::inner::Differs)) => Err(self.other_bytes()),
            _ => Ok(()),
        }
    }

    /// Bytes were taken from a connection inside the application.
    pub(super) fn take_inner(
        &mut self,
        inode: u64,
        call: &Call,
        len: usize,
        looks: bool,
    ) -> Result<(), ReplayError> {
        if !looks {
            return self.skip_inner(inode, len).map(drop);
        }
        if let Some(shadow) = &mut self.shadow {
            shadow.taken_inner = Some((inode, *call, len));
        }
        Ok(())
    }

    /// Bytes were taken from a connection inside the application; which ones.
    pub(super) fn skip_inner(&mut self, inode: u64, len: usize) -> Result<Vec<u8>, ReplayError> {
        let shadow = self.shadow.as_mut();
        let taken = shadow.and_then(|shadow| shadow.inner.skip(inode, len));
        taken.ok_or_else(|| self.not_shadowed("a transfer of bytes that are being written"))
    }

    /// Bytes were read from a connection inside the application: these.
    pub(super) fn took_inner(&mut self, inode: u64, bytes: &[u8]) -> Result<(), ReplayError> {
        let took = self
            .shadow
            .as_mut()
            .map(|shadow| shadow.inner.take(inode, bytes));
        match took {
            Some(Err(super::inner::Differs)) => Err(self.other_bytes()),
            _ => Ok(()),
        }
    }

    fn other_bytes(&mut self) -> ReplayError {
        self.diverged(
            "bytes that were written to a connection inside the application",
            "other bytes that were read from it",
        )
    }
}

/// Any address, with this port. Where the application did not ask for an address the kernel has
/// chosen it for one peer only; bound to it, the socket could have no other, nor, of IPv6, speak
/// to IPv4 (net/ipv6/af_inet6.c, `__inet6_bind`).
fn anywhere(address: SocketAddr) -> SocketAddr {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(any, address.port())
}

/// An address that stands for any.
pub(super) fn is_any(end: Endpoint) -> bool {
    SocketAddr::from(end).ip().is_unspecified()
}
