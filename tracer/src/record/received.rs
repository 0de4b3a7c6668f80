//! What the application receives over TCP connections is in the journal before it: a syscall
//! that returns it refers to it there. Whether it is the same is looked at every time.

use super::changes;
use super::error::Step;
use super::session::Session;
use crate::maps;
use crate::model::capture::Call;
use crate::network::Received;
use crate::replay::shadow::is_taking;
use crate::sys::mem::Remote;
use crate::sys::wait::Pid;
use journal::{ConnId, Effect, Event, GateEvent, Out, Span};
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::net::SocketAddr;

/// More at once is stored.
pub(super) const REFERENCE_BYTES_MAX: u64 = 16 << 20;
/// Sockets whose connection was asked for and that nothing was received from; more are forgotten.
const PENDING_MAX: usize = 4096;

/// The application's connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// By the inode of their socket.
    sockets: HashMap<u64, ConnId>,
    /// Connections that the application asked for and has not used: both ends, by inode.
    pending: HashMap<u64, Ends>,
    /// What descriptors of processes lead to, looked up since they may have changed.
    known: FxHashMap<(Pid, i32), Option<ConnId>>,
}

/// The application's end of a connection, and the other one.
pub type Ends = (SocketAddr, SocketAddr);

impl Connections {
    /// With those of a shadow.
    pub fn of(sockets: HashMap<u64, ConnId>, pending: HashMap<u64, Ends>) -> Self {
        Self {
            sockets,
            pending,
            known: FxHashMap::default(),
        }
    }

    /// A descriptor of a process is to become a connection.
    pub fn asked(&mut self, process: Pid, fd: i32, ends: Ends) {
        if self.pending.len() >= PENDING_MAX {
            // What they receive is stored.
            self.pending.clear();
        }
        if let Some(inode) = maps::socket(process, fd) {
            self.sockets.remove(&inode);
            self.pending.insert(inode, ends);
        }
        self.known.clear();
    }

    /// A descriptor of a process is a connection.
    pub fn connected(&mut self, process: Pid, fd: i32, conn: ConnId) {
        if let Some(inode) = maps::socket(process, fd) {
            self.pending.remove(&inode);
            self.sockets.insert(inode, conn);
        }
        self.known.clear();
    }

    /// A syscall was made that may have changed descriptors.
    pub fn changed(&mut self, name: &str) {
        if !self.known.is_empty() && !changes::keeps_descriptors(name) {
            self.known.clear();
        }
    }

    /// The connection that a descriptor leads to; `opened` knows those that were asked for.
    fn find(
        &mut self,
        process: Pid,
        fd: i32,
        opened: impl FnOnce(Ends) -> Option<ConnId>,
    ) -> Option<ConnId> {
        if self.sockets.is_empty() && self.pending.is_empty() {
            return None;
        }
        if let Some(known) = self.known.get(&(process, fd)) {
            return *known;
        }
        let inode = maps::socket(process, fd);
        if let Some(inode) = inode
            && let Some(ends) = self.pending.get(&inode)
        {
            let conn = opened(*ends)?;
            self.pending.remove(&inode);
            self.sockets.insert(inode, conn);
        }
        let found = inode.and_then(|inode| self.sockets.get(&inode).copied());
        self.known.insert((process, fd), found);
        found
    }
}

/// How much a syscall has taken from a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Intake {
    conn: ConnId,
    /// Bytes of the stream; `None`: they were only looked at.
    taken: Option<u64>,
    /// How many of them stand in memory.
    seen: u64,
}

impl Session {
    /// What a syscall that left with `result` has taken from a connection, if it did.
    pub(super) fn intake(&mut self, tid: Pid, call: &Call, result: i64) -> Option<Intake> {
        let len = u64::try_from(result).ok().filter(|len| *len > 0)?;
        if self.network.is_none() || !is_taking(call) {
            return None;
        }
        let process = self.tasks.get(&tid)?.tgid;
        let network = self.network.as_ref();
        let opened = |ends: Ends| network.and_then(|network| network.opened(ends.0, ends.1));
        let conn = self.connections.find(process, call.int(0), opened)?;
        let flags = match call.def.name {
            "recvfrom" => call.int(3),
            "recvmsg" => call.int(2),
            "recvmmsg" => call.int(3),
            _ => 0,
        };
        if flags & (libc::MSG_OOB | libc::MSG_ERRQUEUE) != 0 {
            return None;
        }
        let len = match call.def.name {
            "recvmmsg" => messages(tid, call, len),
            _ => len,
        };
        let seen = match call.def.name {
            "splice" | "recvmmsg" => 0,
            _ if flags & libc::MSG_TRUNC != 0 => 0,
            _ => len,
        };
        let taken = (flags & libc::MSG_PEEK == 0).then_some(len);
        Some(Intake { conn, taken, seen })
    }

    /// Takes out of `outs` what is in the journal already. The effect that stands for it.
    pub(super) fn refer(&self, intake: Intake, outs: &mut Vec<Out<'_>>) -> Option<Effect<'static>> {
        let network = self.network.as_ref()?;
        let found = buffers(outs, intake.seen);
        let bytes: Vec<u8> = found
            .clone()
            .flat_map(|at| outs[at].data.iter().copied())
            .collect();
        let Received { position, same } = network.received(intake.conn, &bytes, intake.taken)?;
        let spans: Vec<Span> = if same {
            outs.drain(found)
                .map(|out| Span {
                    addr: out.addr,
                    len: out.data.len() as u64,
                })
                .collect()
        } else {
            Vec::new()
        };
        let taken = intake.taken.unwrap_or(0);
        (taken > 0 || !spans.is_empty()).then_some(Effect::Received {
            conn: intake.conn,
            position,
            taken,
            spans,
        })
    }

    /// Tells the journal of connections that nothing will refer to any more.
    pub(super) fn release_connections(&mut self) -> Step {
        let Some(network) = &self.network else {
            return Ok(());
        };
        for conn in network.released() {
            self.connections.sockets.retain(|_, known| *known != conn);
            self.connections.known.clear();
            self.out.append(&Event::Gate(GateEvent::Released(conn)))?;
        }
        Ok(())
    }
}

/// Which outputs are the buffers that `len` bytes were received into: those that have as many
/// together. A message's header comes before them. None, if that is not clear.
fn buffers(outs: &[Out<'_>], len: u64) -> std::ops::Range<usize> {
    for first in 0..outs.len().min(2) {
        let mut sum = 0;
        for (at, out) in outs.iter().enumerate().skip(first) {
            sum += out.data.len() as u64;
            if sum == len {
                return first..at + 1;
            }
        }
    }
    0..0
}

/// Bytes of all messages that `recvmmsg` has received.
fn messages(tid: Pid, call: &Call, count: u64) -> u64 {
    const MMSGHDR_BYTES: u64 = 64;
    const MSG_LEN: u64 = 56;
    let memory = Remote(tid);
    let len = |index| {
        let mut word = [0; 4];
        let at = call.args[1] + index * MMSGHDR_BYTES + MSG_LEN;
        (memory.read_some(at, &mut word) == 4).then(|| u64::from(u32::from_le_bytes(word)))
    };
    (0..count).map_while(len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_told_from_what_stands_around_them() {
        let out = |addr, len: usize| Out {
            addr,
            data: vec![0; len].into(),
        };
        // read; readv; recvfrom with an address; recvmsg with control data.
        assert_eq!(buffers(&[out(1, 10)], 10), 0..1);
        assert_eq!(buffers(&[out(1, 4), out(9, 6)], 10), 0..2);
        assert_eq!(buffers(&[out(1, 10), out(2, 16), out(3, 4)], 10), 0..1);
        assert_eq!(
            buffers(&[out(1, 56), out(2, 3), out(3, 7), out(4, 24)], 10),
            1..3
        );
        assert_eq!(buffers(&[out(1, 56)], 10), 0..0);
        assert_eq!(buffers(&[], 0), 0..0);
    }
}
