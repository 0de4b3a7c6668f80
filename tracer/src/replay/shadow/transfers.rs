//! Bytes that went into a descriptor or came out of it: files have them here, too, and so have
//! pipes and sockets of the application's own ([`super::inside`]); connections with the outside are
//! followed by the network.

use super::kinds::{self, Kind, Socket};
use crate::model::capture::{Call, Memory};
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::replay::syscalls::{vectors, word};
use crate::sys::flow;
use crate::sys::mem::Remote;
use journal::{Effect, Leave, Tid};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

/// Bytes of a `struct mmsghdr`, and where in it the length of the message is told.
const MMSGHDR_BYTES: u64 = 64;
const MSG_LEN: u64 = 56;

/// A 32-bit number that the kernel wrote.
fn told_at(leave: &Leave<'_>, addr: u64) -> Option<u32> {
    leave.outs.iter().find_map(|out| {
        let at = usize::try_from(addr.checked_sub(out.addr)?).ok()?;
        let word = out.data.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    })
}

fn unreadable(what: &'static str) -> ReplayError {
    ReplayError::os(what)(std::io::Error::from_raw_os_error(libc::EFAULT))
}

impl Session {
    /// Bytes were taken from a descriptor.
    pub(super) fn take(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        let fd = call.int(0);
        let taken = leave.effects.iter().find_map(|effect| match effect {
            Effect::Received { taken, .. } => Some(*taken),
            _ => None,
        });
        let told = if call.def.name == "recvmmsg" {
            let header = |index| call.args[1] + index * MMSGHDR_BYTES + MSG_LEN;
            let all = 0..leave.result.unsigned_abs();
            let lens = all.filter_map(|index| told_at(leave, header(index)));
            Some(lens.map(u64::from).sum())
        } else {
            u64::try_from(leave.result).ok()
        };
        let len = taken.or(told);
        let len = len.and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        let flags = match call.def.name {
            "recvfrom" => call.int(3),
            "recvmsg" => call.int(2),
            _ => 0,
        };
        if flags & (libc::MSG_PEEK | libc::MSG_OOB | libc::MSG_ERRQUEUE) != 0 {
            return Ok(());
        }
        match self.kind(tid, fd)? {
            Kind::File => {
                if call.def.name == "read" || call.def.name == "readv" {
                    self.advance(tid, fd, leave.result)?;
                }
                Ok(())
            }
            Kind::Event(event) => {
                let value = leave.outs.first().and_then(|out| out.data.first_chunk());
                let value = value.map_or(0, |bytes| u64::from_le_bytes(*bytes));
                if let Some(shadow) = &mut self.shadow {
                    shadow.streams.count(event, -i128::from(value));
                }
                Ok(())
            }
            Kind::Timer => {
                let file = self.duplicate(tid, fd)?;
                if crate::sys::host::is_readable(&file) {
                    use std::io::Read;
                    let mut count = [0; 8];
                    (&file)
                        .read_exact(&mut count)
                        .map_err(ReplayError::os("reading a timer"))?;
                } else {
                    // It ran out then: it must not do so again here.
                    crate::sys::host::disarm_if_once(&file)
                        .map_err(ReplayError::os("setting a timer"))?;
                }
                Ok(())
            }
            Kind::Signals => self.signals_read(tid, call, leave),
            kind if self.own_inode(kind).is_some() && call.def.name == "recvmmsg" => {
                self.take_messages(tid, call, leave.result)
            }
            kind if self.own_inode(kind).is_some() => self.take_inside(tid, call, kind, len),
            kind => {
                if let Some(inode) = self.is_inner(kind) {
                    // What they are is known once they are in memory.
                    let looks = flags & libc::MSG_TRUNC == 0;
                    return self.take_inner(inode, call, len, looks);
                }
                self.drain(kind, len)?;
                Ok(())
            }
        }
    }

    /// Takes bytes from a connection.
    fn drain(&mut self, kind: Kind, len: usize) -> Result<Vec<u8>, ReplayError> {
        let Kind::Socket(Socket { inode, .. }) = kind else {
            return Ok(Vec::new());
        };
        let conn = self.connection_of(inode);
        let network = self
            .shadow
            .as_ref()
            .and_then(|shadow| shadow.network.as_ref());
        match (conn, network) {
            (Some(conn), Some(network)) => network
                .took(conn, len)
                .map_err(ReplayError::os("reading a connection")),
            _ => Ok(Vec::new()),
        }
    }

    /// Moves the position of a file on, as a read did.
    pub(super) fn advance(&mut self, tid: Tid, fd: i32, by: i64) -> Result<u64, ReplayError> {
        let mut file = self.duplicate(tid, fd)?;
        match file.seek(SeekFrom::Current(by)) {
            Ok(position) => Ok(position),
            Err(error) if error.raw_os_error() == Some(libc::ESPIPE) => Ok(0),
            Err(error) => Err(ReplayError::os("moving a file's position")(error)),
        }
    }

    /// Bytes were put into a descriptor.
    pub(super) fn put(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        let (fd, result) = (call.int(0), leave.result);
        let (_, real) = self.process(tid)?;
        // From the end of a pipe that is read it takes.
        if call.def.name == "vmsplice" && kinds::is_read_only(real, fd) {
            return self.take(tid, call, leave);
        }
        // What goes to the standard streams, the primary has shown.
        if self.is_standard(tid, fd)? {
            return Ok(());
        }
        let kind = self.kind(tid, fd)?;
        if self.own_inode(kind).is_some() || self.is_local(kind) {
            return self.put_inside(tid, call, kind, result);
        }
        if kind == Kind::File {
            let mut args = call.args;
            if call.def.name == "write" {
                args[2] = result.unsigned_abs();
            }
            let nr = i64::from(call.def.nr);
            return self.remote_as_then(tid, call.def.name, nr, args, result);
        }
        if !self.keeps(kind) {
            return Ok(());
        }
        let bytes = if call.def.name == "sendmmsg" {
            self.gathered_messages(tid, call, leave)?
        } else {
            self.gathered(tid, call, usize::try_from(result).unwrap_or(0))?
        };
        self.fill(tid, fd, kind, &bytes)
    }

    /// The bytes of several messages that were sent: of each as many as the kernel then told.
    fn gathered_messages(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<Vec<u8>, ReplayError> {
        let (_, real) = self.process(tid)?;
        let failed = || ReplayError::os("reading a message");
        let mut bytes = Vec::new();
        for index in 0..leave.result.unsigned_abs() {
            let header = call.args[1] + index * MMSGHDR_BYTES;
            let told = told_at(leave, header + MSG_LEN);
            let told = told.map_or(usize::MAX, |len| usize::try_from(len).unwrap_or(usize::MAX));
            let memory = Remote(real);
            let list = memory.read_u64(header + 16).map_err(failed())?;
            let count = memory.read_u64(header + 24).map_err(failed())?;
            for (addr, len) in vectors(&memory, list, count, told) {
                let start = bytes.len();
                bytes.resize(start + len, 0);
                memory
                    .read_exact(addr, &mut bytes[start..])
                    .map_err(failed())?;
            }
        }
        Ok(bytes)
    }

    /// What is in a pipe was put into another one, too.
    pub(super) fn tee(&mut self, tid: Tid, call: &Call, result: i64) -> Result<(), ReplayError> {
        let len = usize::try_from(result).unwrap_or(0);
        let source = self.kind(tid, call.int(0))?;
        let target = self.kind(tid, call.int(1))?;
        let from = self.duplicate(tid, call.int(0))?;
        let mut bytes = Vec::new();
        if self.own_inode(source).is_some() {
            bytes = flow::look(&from, len).map_err(ReplayError::os("looking into a pipe"))?;
        }
        if bytes.len() < len {
            return Err(self.not_shadowed("tee of bytes that are being written"));
        }
        self.fill(tid, call.int(1), target, &bytes)
    }

    /// Whether a descriptor leads to a standard stream of the application.
    pub(super) fn is_standard(&mut self, tid: Tid, fd: i32) -> Result<bool, ReplayError> {
        Ok(self.task(tid)?.fds.borrow().stream(fd).is_some())
    }

    /// The bytes of a syscall's buffers.
    pub(super) fn gathered(
        &mut self,
        tid: Tid,
        call: &Call,
        len: usize,
    ) -> Result<Vec<u8>, ReplayError> {
        let (_, real) = self.process(tid)?;
        self.gathered_in(&Remote(real), call, len)
    }

    /// The same, of memory as it was at the call.
    pub(super) fn gathered_in(
        &self,
        memory: &dyn Memory,
        call: &Call,
        len: usize,
    ) -> Result<Vec<u8>, ReplayError> {
        let mut bytes = Vec::new();
        for (addr, len) in self.pieces(memory, call, len)? {
            let start = bytes.len();
            bytes.resize(start + len, 0);
            if memory.read(addr, &mut bytes[start..]) < len {
                return Err(unreadable("reading a syscall's buffers"));
            }
        }
        Ok(bytes)
    }

    /// Whether bytes that are put into what is no file, and nothing of the kernel's here, are kept.
    pub(super) fn keeps(&mut self, kind: Kind) -> bool {
        match kind {
            Kind::Event(_) => true,
            Kind::Socket(socket) => {
                self.is_inner(kind).is_some() || self.connection_of(socket.inode).is_some()
            }
            _ => false,
        }
    }

    /// Bytes went into what a descriptor leads to.
    pub(super) fn fill(
        &mut self,
        tid: Tid,
        fd: i32,
        kind: Kind,
        bytes: &[u8],
    ) -> Result<(), ReplayError> {
        if self.is_standard(tid, fd)? {
            return Ok(());
        }
        if self.own_inode(kind).is_some() {
            let file = self.duplicate(tid, fd)?;
            return self.put_all(&file, bytes, kind);
        }
        if kind == Kind::File {
            let mut file = self.duplicate(tid, fd)?;
            return file
                .write_all(bytes)
                .map_err(ReplayError::os("writing a file"));
        }
        if let Some(inode) = self.is_inner(kind) {
            return self.put_inner(inode, bytes);
        }
        let conn = match kind {
            Kind::Socket(socket) => self.connection_of(socket.inode),
            _ => None,
        };
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        match kind {
            Kind::Event(event) => {
                if let Some(value) = bytes.first_chunk() {
                    let value = u64::from_le_bytes(*value);
                    shadow.streams.count(event, i128::from(value));
                }
            }
            Kind::Socket(_) => {
                if let (Some(conn), Some(network)) = (conn, &shadow.network) {
                    network
                        .wrote(conn, bytes)
                        .map_err(ReplayError::os("writing a connection"))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Where the bytes lie that a syscall wrote or read.
    pub(super) fn pieces(
        &self,
        memory: &dyn Memory,
        call: &Call,
        written: usize,
    ) -> Result<Vec<(u64, usize)>, ReplayError> {
        let word = |at| word(memory, at).ok_or_else(|| unreadable("reading a message"));
        Ok(match call.def.name {
            "write" | "sendto" | "read" | "recvfrom" => vec![(call.args[1], written)],
            "writev" | "readv" | "vmsplice" => vectors(memory, call.args[1], call.args[2], written),
            "sendmsg" | "recvmsg" => {
                let header = call.args[1];
                vectors(memory, word(header + 16)?, word(header + 24)?, written)
            }
            "recvmmsg" => {
                let mut pieces = Vec::new();
                let mut left = written;
                for index in 0..call.args[2] {
                    let header = call.args[1] + index * MMSGHDR_BYTES;
                    let len = word(header + MSG_LEN)? & u64::from(u32::MAX);
                    let len = usize::try_from(len).unwrap_or(usize::MAX).min(left);
                    let (list, count) = (word(header + 16)?, word(header + 24)?);
                    pieces.extend(vectors(memory, list, count, len));
                    left -= len;
                    if left == 0 {
                        break;
                    }
                }
                pieces
            }
            other => {
                return Err(ReplayError::NotShadowed {
                    event: self.index,
                    what: format!("{other} to a connection"),
                });
            }
        })
    }

    /// Bytes went from one descriptor to another inside the kernel.
    pub(super) fn copy(
        &mut self,
        tid: Tid,
        call: &Call,
        result: i64,
        (to, from, offset): (usize, usize, usize),
    ) -> Result<(), ReplayError> {
        let (to, from) = (call.int(to), call.int(from));
        let (target, source) = (self.kind(tid, to)?, self.kind(tid, from)?);
        if source == Kind::Held {
            return self.copy_held(tid, call, result, (to, from, offset));
        }
        if target == Kind::Held {
            let len = result.unsigned_abs();
            self.draw(tid, call, result, (from, source, offset))?;
            let at = self.out_offset(tid, call)?;
            return self.wrote_held(tid, to, len, at);
        }
        if call.def.name == "copy_file_range" && !self.is_standard(tid, to)? {
            let nr = i64::from(call.def.nr);
            return self.remote_as_then(tid, call.def.name, nr, call.args, result);
        }
        let bytes = self.draw(tid, call, result, (from, source, offset))?;
        self.fill(tid, to, target, &bytes)
    }

    /// Takes what went from a descriptor inside the kernel.
    fn draw(
        &mut self,
        tid: Tid,
        call: &Call,
        result: i64,
        (from, source, offset): (i32, Kind, usize),
    ) -> Result<Vec<u8>, ReplayError> {
        let len = usize::try_from(result).unwrap_or(0);
        Ok(if source == Kind::File {
            let given = call.args[offset];
            let at = if given == 0 {
                self.advance(tid, from, result)?.saturating_sub(len as u64)
            } else {
                let (_, real) = self.process(tid)?;
                Remote(real)
                    .read_u64(given)
                    .map_err(ReplayError::os("reading an offset"))?
            };
            let mut bytes = vec![0; len];
            let file = self.duplicate(tid, from)?;
            file.read_exact_at(&mut bytes, at)
                .map_err(ReplayError::os("reading a file"))?;
            bytes
        } else if self.own_inode(source).is_some() {
            self.take_exactly(tid, from, source, len)?
        } else if let Some(inode) = self.is_inner(source) {
            self.skip_inner(inode, len)?
        } else {
            self.drain(source, len)?
        })
    }
}
