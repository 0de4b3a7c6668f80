//! Connections at a takeover: sockets that stood for them become their live ends.

use super::inner::Half;
use super::kinds::{self, Kind};
use super::sockets::is_any;
use crate::model::capture::Call;
use crate::network::{End, Network, Opening};
use crate::record::inet_address;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::wait::Pid;
use crate::sys::{flow, host, sockets};
use journal::{ConnId, Endpoint, Tid};
use nix::sys::socket::Shutdown;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Sockets of the application by inode: where one descriptor of each is.
type Places = HashMap<u64, (Pid, i32)>;

fn failed() -> impl FnOnce(std::io::Error) -> ReplayError {
    ReplayError::os("rebuilding a connection")
}

fn socket_at(places: &Places, inode: u64) -> Result<Option<File>, ReplayError> {
    let found = places.get(&inode);
    found
        .map(|(real, fd)| host::duplicate_of(*real, *fd).map_err(failed()))
        .transpose()
}

impl Session {
    /// Makes the sockets that stand for connections their live ends.
    pub(super) fn rebuild_connections(&mut self, tids: &[Tid]) -> Result<(), ReplayError> {
        self.sweep_connections()?;
        let network = self
            .shadow
            .as_ref()
            .and_then(|shadow| shadow.network.clone());
        let Some(network) = network else {
            return Ok(());
        };
        let mut places = Places::new();
        for (real, fd) in self.descriptors(tids)? {
            if let Some(Kind::Socket(socket)) = kinds::look_up(real, fd) {
                places.entry(socket.inode).or_insert((real, fd));
            }
        }
        self.rebuild_known(&places, &network)?;
        self.go_on_pending(&places, &network)?;
        for &tid in tids {
            self.go_on_connecting(tid, &network)?;
        }
        for &tid in tids {
            self.finish_put(tid)?;
        }
        self.join_inner(&places, &network)?;
        let deaf = self
            .shadow
            .as_mut()
            .map(|shadow| std::mem::take(&mut shadow.deaf));
        for inode in deaf.into_iter().flatten() {
            if let Some(socket) = socket_at(&places, inode)? {
                // What is over already has nothing to be deaf to.
                let _ = sockets::shut(&socket, Shutdown::Read);
            }
        }
        Ok(())
    }

    /// Those that the gate knows.
    fn rebuild_known(
        &mut self,
        places: &Places,
        network: &Arc<dyn Network>,
    ) -> Result<(), ReplayError> {
        let mut done: HashSet<ConnId> = HashSet::new();
        for inode in self.connected_sockets() {
            let Some(conn) = self.connection_of(inode) else {
                continue;
            };
            if let Some(socket) = socket_at(places, inode)?
                && done.insert(conn)
            {
                network
                    .rebuild(conn, OwnedFd::from(socket))
                    .map_err(failed())?;
            }
        }
        Ok(())
    }

    /// Those that the application asked for and has not heard of.
    fn go_on_pending(
        &mut self,
        places: &Places,
        network: &Arc<dyn Network>,
    ) -> Result<(), ReplayError> {
        let pending = self
            .shadow
            .as_mut()
            .map(|shadow| std::mem::take(&mut shadow.pending));
        for (inode, (local, remote)) in pending.into_iter().flatten() {
            if let Some(socket) = socket_at(places, inode)? {
                network
                    .go_on_opening(socket.into(), Some(local.into()), remote.into())
                    .map_err(failed())?;
                if let Some(shadow) = &mut self.shadow {
                    shadow.opening.insert(inode, (local, remote));
                }
            }
        }
        Ok(())
    }

    /// The call of a thread that is to be made anew here, and its descriptor's socket.
    fn unfinished(&mut self, tid: Tid) -> Result<Option<(Call, u64, File)>, ReplayError> {
        let task = self.task(tid)?;
        let stands = task.stopped.is_some();
        let call = task.call.as_ref().and_then(|in_call| in_call.call);
        let Some(call) = call.filter(|_| stands) else {
            return Ok(None);
        };
        let of_socket = matches!(
            call.def.name,
            "connect" | "write" | "writev" | "sendto" | "sendmsg"
        );
        match of_socket.then(|| self.kind(tid, call.int(0))).transpose()? {
            Some(Kind::Socket(socket)) if socket.is_inet_stream() => {
                let file = self.duplicate(tid, call.int(0))?;
                Ok(Some((call, socket.inode, file)))
            }
            _ => Ok(None),
        }
    }

    /// A thread that is asking for a connection: it may have come into being.
    fn go_on_connecting(
        &mut self,
        tid: Tid,
        network: &Arc<dyn Network>,
    ) -> Result<(), ReplayError> {
        let Some((call, inode, socket)) = self.unfinished(tid)? else {
            return Ok(());
        };
        let (_, real) = self.process(tid)?;
        let remote = inet_address(real, call.args[1], call.args[2]);
        let (Some(remote), "connect") = (remote, call.def.name) else {
            return Ok(());
        };
        let waits = sockets::waits(&socket).map_err(failed())?;
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        let known = shadow.conns.contains_key(&inode) || shadow.inner.has(inode);
        if known || shadow.opening.contains_key(&inode) {
            return Ok(());
        }
        let local = sockets::bound_to(&socket);
        let opening = if network.is_inside(remote.ip()) {
            let (to, any) = (Endpoint::from(remote), is_any(remote.into()));
            match shadow.inner.accepted_at(to, any) {
                Some(local) => {
                    let remote = if any { local_of(local, to) } else { to };
                    shadow.inner.begin(inode, local, remote, false);
                    Opening::Done(None)
                }
                None => Opening::Unknown,
            }
        } else {
            network
                .go_on_opening(socket.into(), local, remote)
                .map_err(failed())?
        };
        let in_progress = -i64::from(libc::EINPROGRESS);
        let answer = match (opening, waits) {
            (Opening::Unknown, _) | (Opening::Begun, true) => return Ok(()),
            (Opening::Done(_), true) => 0,
            (Opening::Done(_) | Opening::Begun, false) => in_progress,
        };
        if let Opening::Done(Some(conn)) = opening {
            shadow.conns.insert(inode, conn);
        }
        shadow.answers.insert(tid, answer.into());
        Ok(())
    }

    /// Of what a thread is writing to a connection inside the application the beginning was read
    /// already: all of it is written.
    fn finish_put(&mut self, tid: Tid) -> Result<(), ReplayError> {
        let Some((call, inode, _)) = self.unfinished(tid)? else {
            return Ok(());
        };
        let owes = self
            .shadow
            .as_ref()
            .map_or(0, |shadow| shadow.inner.owes(inode));
        if owes == 0 || call.def.name == "connect" {
            return Ok(());
        }
        /// More is written in pieces.
        const PUT_BYTES_MAX: usize = 1 << 30;
        let whole = match call.def.name {
            "write" | "sendto" => usize::try_from(call.args[2]).unwrap_or(PUT_BYTES_MAX),
            _ => PUT_BYTES_MAX,
        };
        let bytes = self.gathered(tid, &call, whole.min(PUT_BYTES_MAX))?;
        self.put_inner(inode, &bytes)?;
        if let Some(shadow) = &mut self.shadow {
            let answer = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            shadow.answers.insert(tid, answer.into());
        }
        Ok(())
    }

    /// Connections inside the application.
    fn join_inner(
        &mut self,
        places: &Places,
        network: &Arc<dyn Network>,
    ) -> Result<(), ReplayError> {
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        if shadow.inner.has_debts() {
            return Err(self.not_shadowed("a takeover while what was read was being written"));
        }
        for ((inode, half), other) in shadow.inner.take_all() {
            let own = socket_at(places, inode)?;
            let Some((peer, other)) = other else {
                if half.accepted {
                    let peer = gone(network, half.remote)?;
                    let end = end(network, own, half)?;
                    network.join([end, peer]).map_err(failed())?;
                } else {
                    ask_inside(network, own, half)?;
                }
                continue;
            };
            let theirs = socket_at(places, peer)?;
            let ends = [end(network, own, half)?, end(network, theirs, other)?];
            network.join(ends).map_err(failed())?;
        }
        Ok(())
    }
}

/// The end that somebody has who connected to "any" address.
fn local_of(local: Endpoint, to: Endpoint) -> Endpoint {
    Endpoint {
        address: local.address,
        port: to.port,
    }
}

fn fresh(
    network: &Arc<dyn Network>,
    own: Option<File>,
    local: Endpoint,
) -> Result<OwnedFd, ReplayError> {
    match own {
        Some(own) => Ok(own.into()),
        // Closed by the application: it goes the way of all that is closed.
        None => network
            .socket(SocketAddr::from(local).is_ipv6())
            .map_err(failed()),
    }
}

fn end(network: &Arc<dyn Network>, own: Option<File>, half: Half) -> Result<End, ReplayError> {
    Ok(End {
        socket: fresh(network, own, half.local)?,
        address: half.local.into(),
        unread: half.unread.into(),
        shut: half.shut,
    })
}

/// The other end of a connection that nobody has.
fn gone(network: &Arc<dyn Network>, remote: Endpoint) -> Result<End, ReplayError> {
    Ok(End {
        socket: fresh(network, None, remote)?,
        address: remote.into(),
        unread: Vec::new(),
        shut: true,
    })
}

/// A connection that nobody has accepted: it is asked for anew.
fn ask_inside(
    network: &Arc<dyn Network>,
    own: Option<File>,
    half: Half,
) -> Result<(), ReplayError> {
    let socket = fresh(network, own, half.local)?;
    let copy = socket.try_clone().map_err(failed())?;
    let (local, remote) = (half.local.into(), half.remote.into());
    network
        .go_on_opening(copy, Some(local), remote)
        .map_err(failed())?;
    let socket = File::from(socket);
    let mut rest = half.early.as_slice();
    if !rest.is_empty() {
        sockets::await_writable(&socket).map_err(failed())?;
    }
    let mut widened = false;
    while !rest.is_empty() {
        let put = flow::put(&socket, rest, true).map_err(failed())?;
        if put == 0 && std::mem::replace(&mut widened, true) {
            return Err(failed()(std::io::ErrorKind::StorageFull.into()));
        }
        if put == 0 {
            flow::make_room(&socket, true).map_err(failed())?;
        }
        rest = &rest[put..];
    }
    if half.shut {
        // It may not be there yet.
        let _ = sockets::shut(&socket, Shutdown::Write);
    }
    Ok(())
}
