//! Pipes and sockets inside the application: what was written to them and read from them goes
//! through the kernel's objects here as it did then, and what comes out is compared with what the
//! journal says.
//!
//! A read may be in the journal before the write that it got its bytes from: that write has not
//! left its syscall yet. Such bytes are owed until it does.

use super::kinds::{Kind, Socket};
use crate::model::capture::Call;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::flow;
use crate::sys::mem::Remote;
use journal::Tid;
use std::fs::File;

/// Offset of `msg_name`'s length, and of `msg_controllen`, in a `msghdr`.
const NAME_LEN: u64 = 8;
const CONTROL_LEN: u64 = 40;
const AT_ONCE: u64 = libc::MSG_DONTWAIT.cast_unsigned() as u64;
const NO_SIGNAL: u64 = libc::MSG_NOSIGNAL.cast_unsigned() as u64;

/// What was taken by the current syscall: to be compared once its memory is what it was then.
pub struct Taken {
    call: Call,
    kind: Kind,
    inode: u64,
    bytes: Vec<u8>,
    len: usize,
    from: File,
}

impl Kind {
    fn is_socket(self) -> bool {
        matches!(self, Self::Socket(_))
    }

    /// Whether it keeps the boundaries of what is written to it.
    fn keeps_messages(self) -> bool {
        matches!(self, Self::Socket(Socket { kind, .. }) if kind != libc::SOCK_STREAM)
    }
}

impl Session {
    /// The inode of a pipe or socket that is the application's own.
    pub(super) fn own_inode(&self, kind: Kind) -> Option<u64> {
        let inode = match kind {
            Kind::Pipe(inode) => inode,
            Kind::Socket(socket) => socket.inode,
            _ => return None,
        };
        let shadow = self.shadow.as_ref()?;
        shadow.streams.owns(inode).then_some(inode)
    }

    /// Whether a socket can only lead to this machine, and takes messages for anybody.
    pub(super) fn is_local(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Socket(Socket { family: libc::AF_UNIX, kind, .. }) if kind == libc::SOCK_DGRAM)
    }

    /// A descriptor's pipe or socket is the application's own from now on.
    pub(super) fn now_own(&mut self, tid: Tid, fd: i32) -> Result<(), ReplayError> {
        if let (Kind::Pipe(inode) | Kind::Socket(Socket { inode, .. }), Some(shadow)) =
            (self.kind(tid, fd)?, &mut self.shadow)
        {
            shadow.streams.is_own(inode);
        }
        Ok(())
    }

    /// Bytes were taken.
    pub(super) fn take_inside(
        &mut self,
        tid: Tid,
        call: &Call,
        kind: Kind,
        len: usize,
    ) -> Result<(), ReplayError> {
        let Some(inode) = self.own_inode(kind) else {
            return Ok(());
        };
        let from = self.duplicate(tid, call.int(0))?;
        let owes = self
            .shadow
            .as_ref()
            .is_some_and(|shadow| shadow.streams.owes(inode));
        let carries = call.def.name == "recvmsg" && self.word(tid, call.args[1] + CONTROL_LEN)? > 0;
        let bytes = if owes {
            Vec::new()
        } else if carries {
            // Descriptors in it are the thread's.
            let mut args = call.args;
            args[2] |= AT_ONCE;
            let before = self.header(tid, call.args[1])?;
            let found = self.remote_result(tid, libc::SYS_recvmsg, args)?;
            let bytes = self.gathered(tid, call, usize::try_from(found).unwrap_or(0).min(len))?;
            self.write(tid, call.args[1], &before)?;
            bytes
        } else {
            let wanted = if kind.keeps_messages() {
                self.wanted(tid, call)?
            } else {
                len
            };
            let mut bytes = vec![0; wanted];
            let found = flow::take(&from, &mut bytes, kind.is_socket())
                .map_err(ReplayError::os("reading a pipe or a socket"))?;
            bytes.truncate(found.min(len));
            bytes
        };
        let taken = Taken {
            call: *call,
            kind,
            inode,
            bytes,
            len,
            from,
        };
        if let Some(shadow) = &mut self.shadow {
            shadow.taken = Some(taken);
        }
        Ok(())
    }

    /// Several messages were taken: the thread itself takes them, for descriptors in them are
    /// its own.
    pub(super) fn take_messages(
        &mut self,
        tid: Tid,
        call: &Call,
        count: i64,
    ) -> Result<(), ReplayError> {
        let mut headers = vec![0; usize::try_from(count).unwrap_or(0) * 64];
        let (_, real) = self.process(tid)?;
        Remote(real)
            .read_exact(call.args[1], &mut headers)
            .map_err(ReplayError::os("reading a message"))?;
        let mut args = call.args;
        args[2] = count.unsigned_abs();
        args[3] |= AT_ONCE;
        args[4] = 0;
        let found = self.remote_result(tid, libc::SYS_recvmmsg, args)?;
        self.write(tid, call.args[1], &headers)?;
        if found == count {
            Ok(())
        } else {
            Err(self.not_shadowed("messages that arrive while they are sent"))
        }
    }

    /// The length of all buffers of a syscall that takes a message.
    fn wanted(&mut self, tid: Tid, call: &Call) -> Result<usize, ReplayError> {
        /// No message is longer.
        const MESSAGE_BYTES_MAX: usize = 16 << 20;
        let len = match call.def.name {
            "read" | "recvfrom" => usize::try_from(call.args[2]).unwrap_or(usize::MAX),
            _ => {
                let (_, real) = self.process(tid)?;
                let pieces = self.pieces(&Remote(real), call, MESSAGE_BYTES_MAX)?;
                pieces.iter().map(|(_, len)| len).sum()
            }
        };
        Ok(len.min(MESSAGE_BYTES_MAX))
    }

    fn word(&mut self, tid: Tid, at: u64) -> Result<u64, ReplayError> {
        let (_, real) = self.process(tid)?;
        Remote(real)
            .read_u64(at)
            .map_err(ReplayError::os("reading a message"))
    }

    fn header(&mut self, tid: Tid, at: u64) -> Result<[u8; 56], ReplayError> {
        let (_, real) = self.process(tid)?;
        let mut bytes = [0; 56];
        Remote(real)
            .read_exact(at, &mut bytes)
            .map_err(ReplayError::os("reading a message"))?;
        Ok(bytes)
    }

    /// Compares what was taken with what the journal says. Its memory is written by now.
    pub(in crate::replay) fn check_taken(&mut self, tid: Tid) -> Result<(), ReplayError> {
        let inner = self
            .shadow
            .as_mut()
            .and_then(|shadow| shadow.taken_inner.take());
        if let Some((inode, call, len)) = inner {
            let bytes = self.gathered(tid, &call, len)?;
            return self.took_inner(inode, &bytes);
        }
        let Some(taken) = self.shadow.as_mut().and_then(|shadow| shadow.taken.take()) else {
            return Ok(());
        };
        let expected = self.gathered(tid, &taken.call, taken.len)?;
        let found = taken.bytes.len();
        let messages = taken.kind.keeps_messages();
        let same = expected.starts_with(&taken.bytes)
            && (!messages || found == 0 || found == expected.len());
        if !same {
            return Err(self.diverged(
                format!(
                    "{} of the {} bytes that were read then",
                    taken.call.def.name,
                    expected.len()
                ),
                "other bytes in the pipe or socket",
            ));
        }
        if found == expected.len() {
            return Ok(());
        }
        if taken.call.def.name == "recvmsg" && self.word(tid, taken.call.args[1] + CONTROL_LEN)? > 0
        {
            return Err(
                self.not_shadowed("a message with descriptors that arrives while it is sent")
            );
        }
        if let Some(shadow) = &mut self.shadow {
            let rest = expected[found..].to_vec();
            shadow.streams.owe(taken.inode, taken.from, rest, messages);
        }
        Ok(())
    }

    /// Takes bytes that must be there.
    pub(super) fn take_exactly(
        &mut self,
        tid: Tid,
        fd: i32,
        kind: Kind,
        len: usize,
    ) -> Result<Vec<u8>, ReplayError> {
        let from = self.duplicate(tid, fd)?;
        let mut bytes = vec![0; len];
        let found = flow::take(&from, &mut bytes, kind.is_socket())
            .map_err(ReplayError::os("reading a pipe or a socket"))?;
        if found == len {
            Ok(bytes)
        } else {
            Err(self.not_shadowed("a transfer of bytes that are being written"))
        }
    }

    /// Bytes were put in.
    pub(super) fn put_inside(
        &mut self,
        tid: Tid,
        call: &Call,
        kind: Kind,
        result: i64,
    ) -> Result<(), ReplayError> {
        let mut args = call.args;
        let flags = match call.def.name {
            "sendto" if args[4] != 0 => 3,
            "sendmsg" => {
                let named = self.word(tid, args[1])? != 0
                    && self.word(tid, args[1] + NAME_LEN)? & u64::from(u32::MAX) != 0;
                let carries = self.word(tid, args[1] + CONTROL_LEN)? > 0;
                if named || carries { 2 } else { 0 }
            }
            "sendmmsg" => {
                args[2] = result.unsigned_abs();
                3
            }
            _ => 0,
        };
        if flags != 0 {
            // Whom it is for, and whose descriptors are in it, only the thread can say.
            args[flags] |= AT_ONCE | NO_SIGNAL;
            let found = self.remote_result(tid, i64::from(call.def.nr), args)?;
            if found != result && self.own_inode(kind).is_some() {
                return Err(self.diverged(
                    format!("{} with result {result}", call.def.name),
                    format!("{} with result {found}", call.def.name),
                ));
            }
            return self.pay();
        }
        if self.own_inode(kind).is_none() {
            return Ok(());
        }
        let bytes = self.gathered(tid, call, usize::try_from(result).unwrap_or(0))?;
        let file = self.duplicate(tid, call.int(0))?;
        self.put_all(&file, &bytes, kind)
    }

    /// Puts bytes in, and pays with them what is owed.
    pub(super) fn put_all(
        &mut self,
        file: &File,
        bytes: &[u8],
        kind: Kind,
    ) -> Result<(), ReplayError> {
        /// Each doubles the room.
        const MORE_ROOM_MAX: u32 = 8;
        let mut rest = bytes;
        let mut more = 0;
        loop {
            let put = match flow::put(file, rest, kind.is_socket()) {
                Ok(put) => put,
                // Whoever was to read it is gone, and what lay in it then.
                Err(error) if is_gone(&error) => return self.pay(),
                Err(error) => return Err(ReplayError::os("writing to a pipe or a socket")(error)),
            };
            rest = &rest[put..];
            self.pay()?;
            if rest.is_empty() {
                return Ok(());
            }
            if put == 0 && more < MORE_ROOM_MAX {
                more += 1;
                flow::make_room(file, kind.is_socket())
                    .map_err(ReplayError::os("making room in a pipe or socket"))?;
            } else if put == 0 {
                return Err(self.not_shadowed("more in a pipe or socket than fits here"));
            }
        }
    }

    /// Takes out what was read before it was written.
    fn pay(&mut self) -> Result<(), ReplayError> {
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        let mut same = true;
        for debt in shadow.streams.debts().values_mut() {
            while let Some(front) = debt.owed.front_mut() {
                let mut bytes = vec![0; front.len()];
                let socket = crate::sys::host::socket_kind(&debt.from).is_some();
                let found = flow::take(&debt.from, &mut bytes, socket)
                    .map_err(ReplayError::os("reading a pipe or a socket"))?;
                if found == 0 {
                    break;
                }
                same &= front.starts_with(&bytes[..found]);
                front.drain(..found);
                if front.is_empty() || debt.messages {
                    same &= front.is_empty();
                    debt.owed.pop_front();
                }
            }
        }
        shadow
            .streams
            .debts()
            .retain(|_, debt| !debt.owed.is_empty());
        if same {
            Ok(())
        } else {
            Err(self.diverged(
                "bytes that were read then",
                "other bytes in the pipe or socket",
            ))
        }
    }

    pub(super) fn not_shadowed(&self, what: &str) -> ReplayError {
        ReplayError::NotShadowed {
            event: self.index,
            what: what.to_owned(),
        }
    }
}

fn is_gone(error: &std::io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EPIPE | libc::ECONNRESET | libc::ECONNREFUSED | libc::ENOTCONN)
    )
}
