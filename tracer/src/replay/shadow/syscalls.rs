//! Following one syscall that succeeded in the recording: by the table.

use super::kinds::{self, Kind, Socket};
use super::table::{self, Shadow as Policy};
use crate::model::capture::Call;
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::host;
use crate::sys::wait::Pid;
use journal::{Effect, Leave, Tid};
use std::collections::HashSet;

/// Bytes of the `siginfo_t` before `si_pid`.
const SI_PID: usize = 16;
/// Operations of `fcntl` that give a descriptor.
const DUPLICATES: [i32; 2] = [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC];
/// Flags of a socket that `accept4` takes, too.
const SOCK_FLAGS: i32 = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;

impl Session {
    /// Does to the kernel's objects what the current thread's syscall did, before its output is
    /// written to memory. Without a shadow: nothing.
    pub(in crate::replay) fn follow(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        if self.shadow.is_none() {
            return Ok(());
        }
        let result = leave.result;
        if self.made_already(tid, call, leave)? {
            return self.after_descriptors(tid, call, leave);
        }
        if self.bind_as_then(tid, call, leave)? {
            return self.after_descriptors(tid, call, leave);
        }
        if self.follow_held(tid, call, leave)? {
            return self.after_descriptors(tid, call, leave);
        }
        match table::of(call) {
            Policy::Skip => Ok(()),
            Policy::Same => self
                .same(tid, call, Some(result))
                .and_then(|()| self.pay_calls()),
            Policy::Alike => self.same(tid, call, None),
            Policy::Seek if self.kind(tid, call.int(0))? != Kind::File => Ok(()),
            Policy::Seek if self.is_standard(tid, call.int(0))? => Ok(()),
            Policy::Seek => self.same(tid, call, Some(result)),
            Policy::List => self.listed(tid, call, result),
            Policy::Take => self.take(tid, call, leave),
            Policy::Put => self.put(tid, call, leave),
            Policy::Tee => self.tee(tid, call, result),
            Policy::Copy { to, from, offset } => self.copy(tid, call, result, (to, from, offset)),
            Policy::Accept => self.accept(tid, call, leave),
            Policy::Connect => self.connect(tid, call, leave),
            Policy::Shutdown => self.shut(tid, call),
            Policy::AskError => self.error_asked(tid, call, leave),
            Policy::Open => self.open(tid, call, result),
            Policy::Tell => self.note_identity(tid, call, leave),
            Policy::Alarm => {
                self.stop_alarm(tid, call)?;
                self.same(tid, call, None)
            }
            Policy::TimerMade => self.timer_made(tid, call, leave),
            Policy::TimerChanged => self.timer_changed(tid, call),
            Policy::Signal => self.send_signal(tid, call),
            Policy::AwaitSignal => self.signal_awaited(tid, call, leave),
            Policy::Queue => self.queue_call(tid, call, leave),
            Policy::Watch => self
                .same(tid, call, Some(result))
                .and_then(|()| self.note_epoll_change(tid, call)),
            Policy::Watched => self.note_epoll_told(tid, call, leave),
            Policy::Wait => self.waited(tid, call, leave),
            Policy::Refuse => Err(ReplayError::NotShadowed {
                event: self.index,
                what: match call.def.name {
                    "ioctl" => "a terminal of the application's own".to_owned(),
                    "prctl" | "seccomp" => "a seccomp filter of the application's own".to_owned(),
                    name => format!("syscall {name}"),
                },
            }),
        }?;
        self.after_descriptors(tid, call, leave)
    }

    /// A syscall that failed may have begun something all the same.
    pub(in crate::replay) fn follow_failed(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        let socket = |effect: &Effect<'_>| matches!(effect, Effect::Socket { .. });
        let begun =
            leave.result == -i64::from(libc::EINPROGRESS) || leave.effects.iter().any(socket);
        if self.shadow.is_some() && begun && table::of(call) == Policy::Connect {
            return self.connect(tid, call, leave);
        }
        self.made_already(tid, call, leave)?;
        self.may_have_lost(tid, call, leave.result)
    }

    /// The process of a thread, and its id here.
    pub(super) fn process(&mut self, tid: Tid) -> Result<(Tid, Pid), ReplayError> {
        let task = self.task(tid)?;
        Ok((task.tgid, task.real))
    }

    /// What a descriptor of the thread leads to.
    pub(super) fn kind(&mut self, tid: Tid, fd: i32) -> Result<Kind, ReplayError> {
        let (process, real) = self.process(tid)?;
        Ok(self
            .shadow
            .as_mut()
            .map_or(Kind::Other, |shadow| shadow.kind(process, real, fd)))
    }

    /// A duplicate of a descriptor of the thread.
    pub(super) fn duplicate(&mut self, tid: Tid, fd: i32) -> Result<std::fs::File, ReplayError> {
        let (_, real) = self.process(tid)?;
        host::duplicate_of(real, fd).map_err(ReplayError::os("looking at a descriptor"))
    }

    /// Makes the same syscall. It must not wait: whatever it waited for then is there now.
    pub(super) fn same(
        &mut self,
        tid: Tid,
        call: &Call,
        result: Option<i64>,
    ) -> Result<(), ReplayError> {
        let mut args = call.args;
        match (call.def.name, call.int(1)) {
            ("fcntl", libc::F_SETLKW) => args[1] = libc::F_SETLK.unsigned_abs().into(),
            ("fcntl", libc::F_OFD_SETLKW) => args[1] = libc::F_OFD_SETLK.unsigned_abs().into(),
            ("flock", operation) => args[1] = (operation | libc::LOCK_NB).unsigned_abs().into(),
            _ => {}
        }
        let nr = i64::from(call.def.nr);
        match result {
            Some(result) if call.def.ret.is_descriptor() => {
                self.remote_descriptor(tid, call.def.name, nr, args, result)
            }
            Some(result) => self.remote_as_then(tid, call.def.name, nr, args, result),
            None => self.remote(tid, call.def.name, nr, args).map(|_| ()),
        }
    }

    /// Makes a syscall that gives a descriptor. Of the numbers that were free here one may have
    /// been taken then: by a syscall of another thread that waits with it (`accept`, or the
    /// opening of a fifo).
    pub(super) fn remote_descriptor(
        &mut self,
        tid: Tid,
        what: &'static str,
        nr: i64,
        args: [u64; 6],
        result: i64,
    ) -> Result<(), ReplayError> {
        let found = self.remote_result(tid, nr, args)?;
        if found == result {
            return Ok(());
        }
        if found < 0 || found > result {
            return Err(self.diverged(
                format!("{what} with result {result}"),
                format!("{what} with result {found}"),
            ));
        }
        let (from, to) = (found.cast_unsigned(), result.cast_unsigned());
        let get = libc::F_GETFD.unsigned_abs().into();
        let flags = self.remote(tid, "fcntl", libc::SYS_fcntl, [from, get, 0, 0, 0, 0])?;
        // Not over what has that number: the lowest from there on that is free.
        let dup = if flags & u64::from(libc::FD_CLOEXEC.unsigned_abs()) == 0 {
            libc::F_DUPFD
        } else {
            libc::F_DUPFD_CLOEXEC
        };
        let args = [from, dup.unsigned_abs().into(), to, 0, 0, 0];
        self.remote_as_then(tid, what, libc::SYS_fcntl, args, result)?;
        self.remote(tid, "close", libc::SYS_close, [from, 0, 0, 0, 0, 0])?;
        Ok(())
    }

    /// Moves on in a directory. What order it has is its file system's affair; its end is the end.
    fn listed(&mut self, tid: Tid, call: &Call, result: i64) -> Result<(), ReplayError> {
        let nr = i64::from(call.def.nr);
        while self.remote_result(tid, nr, call.args)? > 0 {
            if result > 0 {
                break;
            }
        }
        Ok(())
    }

    fn accept(&mut self, tid: Tid, call: &Call, leave: &Leave<'_>) -> Result<(), ReplayError> {
        let fd = call.int(0);
        let Kind::Socket(listener) = self.kind(tid, fd)? else {
            return Ok(());
        };
        let flags = if call.def.name == "accept4" {
            call.int(3) & SOCK_FLAGS
        } else {
            0
        };
        let word = |value: i32| u64::from(value.unsigned_abs());
        let local = listener.family == libc::AF_UNIX;
        if local {
            self.connect_waiting(tid, fd)?;
        }
        let pending = !listener.is_inet_stream() && host::is_readable(&self.duplicate(tid, fd)?);
        if pending {
            let args = [word(fd), 0, 0, word(flags), 0, 0];
            self.remote_descriptor(tid, "accept4", libc::SYS_accept4, args, leave.result)?;
            if local {
                self.forget_descriptor(tid, leave.result)?;
                self.now_own(tid, i32::try_from(leave.result).unwrap_or(-1))?;
            }
        } else {
            // In the place of the connection stands a socket that will become it.
            let kind = listener.kind | flags;
            let args = [word(listener.family), word(kind), 0, 0, 0, 0];
            self.remote_descriptor(tid, "socket", libc::SYS_socket, args, leave.result)?;
        }
        let fd = i32::try_from(leave.result).unwrap_or(-1);
        self.forget_descriptor(tid, leave.result)?;
        self.note_connection(tid, fd, leave, true)
    }

    fn connect(&mut self, tid: Tid, call: &Call, leave: &Leave<'_>) -> Result<(), ReplayError> {
        let fd = call.int(0);
        match self.kind(tid, fd)? {
            Kind::Socket(socket) if socket.is_inet_stream() => {
                self.note_connection(tid, fd, leave, false)
            }
            // Whoever it leads to may not be here.
            Kind::Socket(socket) if socket.family == libc::AF_UNIX => {
                let found = self.remote_result(tid, libc::SYS_connect, call.args)?;
                if found == 0 || found == -i64::from(libc::EISCONN) {
                    self.now_own(tid, fd)?;
                }
                Ok(())
            }
            _ => self.same(tid, call, Some(leave.result)),
        }
    }

    /// A connection may be accepted in the journal before the thread that made it has left its
    /// syscall: makes those that are being made.
    fn connect_waiting(&mut self, tid: Tid, listener: i32) -> Result<(), ReplayError> {
        let listener = self.duplicate(tid, listener)?;
        let connecting: Vec<(Tid, Call)> = self
            .tasks
            .values()
            .filter(|task| task.stopped.is_some())
            .filter_map(|task| Some((task.tid, task.call.as_ref()?.call?)))
            .filter(|(_, call)| call.def.name == "connect")
            .collect();
        for (other, call) in connecting {
            if host::is_readable(&listener) {
                break;
            }
            if let Kind::Socket(socket) = self.kind(other, call.int(0))?
                && socket.family == libc::AF_UNIX
            {
                self.remote_any(other, libc::SYS_connect, call.args)?;
            }
        }
        Ok(())
    }

    pub(super) fn forget_descriptor(&mut self, tid: Tid, fd: i64) -> Result<(), ReplayError> {
        let (process, _) = self.process(tid)?;
        if let Some(known) = self
            .shadow
            .as_mut()
            .and_then(|shadow| shadow.kinds.get_mut(&process))
        {
            known.remove(&i32::try_from(fd).unwrap_or(-1));
        }
        Ok(())
    }

    /// Makes a syscall whose result does not matter.
    pub(super) fn remote_any(
        &mut self,
        tid: Tid,
        nr: i64,
        args: [u64; 6],
    ) -> Result<(), ReplayError> {
        self.remote_result(tid, nr, args).map(|_| ())
    }

    /// A descriptor was closed: if it was the last of a connection, that is closed.
    fn may_have_closed(&mut self, was: Option<Kind>) -> Result<(), ReplayError> {
        let is_conn = match (was, &self.shadow) {
            (Some(Kind::Socket(Socket { inode, .. })), Some(shadow)) => {
                shadow.conns.contains_key(&inode)
                    || shadow.pending.contains_key(&inode)
                    || shadow.inner.has(inode)
            }
            // Never looked at since it was made: it may be one.
            (None, Some(_)) => true,
            _ => false,
        };
        if is_conn {
            self.sweep_connections()?;
        }
        Ok(())
    }

    /// Connections of which no process has a descriptor any more are closed.
    pub(super) fn sweep_connections(&mut self) -> Result<(), ReplayError> {
        let connected = self.connected_sockets();
        if connected.is_empty() {
            return Ok(());
        }
        let mut open = HashSet::new();
        let mut seen = HashSet::new();
        for task in self.tasks.values() {
            // The first thread of a process may have ended before the others.
            if seen.insert(task.tgid) {
                open.extend(kinds::sockets(task.real));
            }
        }
        for inode in connected {
            if !open.contains(&inode) {
                self.closed_socket(inode);
            }
        }
        Ok(())
    }

    /// A child that was waited for goes here, too.
    fn waited(&mut self, tid: Tid, call: &Call, leave: &Leave<'_>) -> Result<(), ReplayError> {
        let word = |value: i32| u64::from(value.unsigned_abs());
        if call.def.name == "wait4" {
            let pid = i32::try_from(leave.result).unwrap_or(0);
            let status = leave
                .outs
                .iter()
                .find(|out| out.addr == call.args[1] && call.args[1] != 0)
                .and_then(|out| out.data.first().copied());
            // Stopped (0x7f) or continued (0xff): it is still there.
            if pid > 0 && !matches!(status, Some(0x7f | 0xff)) {
                let flags = word(libc::WNOHANG | libc::__WALL);
                let args = [word(pid), 0, flags, 0, 0, 0];
                self.remote_as_then(tid, "wait4", libc::SYS_wait4, args, leave.result)?;
            }
            return Ok(());
        }
        let info = leave.outs.iter().find(|out| out.addr == call.args[2]);
        let pid = info
            .and_then(|out| out.data.get(SI_PID..SI_PID + 4))
            .map_or(0, |word| {
                i32::from_le_bytes([word[0], word[1], word[2], word[3]])
            });
        let code = info
            .and_then(|out| out.data.get(8).copied())
            .map_or(0, i32::from);
        let gone = matches!(code, libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED);
        if pid > 0 && gone && call.int(3) & libc::WNOWAIT == 0 {
            let flags = word(libc::WNOHANG | libc::WEXITED | libc::__WALL);
            let kind = u64::from(libc::P_PID);
            let args = [kind, word(pid), 0, flags, 0, 0];
            self.remote_as_then(tid, "waitid", libc::SYS_waitid, args, 0)?;
        }
        Ok(())
    }

    /// What is known of descriptors after a syscall.
    fn after_descriptors(
        &mut self,
        tid: Tid,
        call: &Call,
        leave: &Leave<'_>,
    ) -> Result<(), ReplayError> {
        let (process, real) = self.process(tid)?;
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        let known = shadow.kinds.entry(process).or_default();
        match call.def.name {
            "close" => {
                let was = known.remove(&call.int(0));
                shadow.epolls.closed(process, call.int(0));
                return self.may_have_closed(was);
            }
            "dup2" | "dup3" => {
                let was = known.remove(&call.int(1));
                shadow.epolls.closed(process, call.int(1));
                return self.may_have_closed(was);
            }
            "close_range" => {
                known.clear();
                return self.sweep_connections();
            }
            "fcntl" if DUPLICATES.contains(&call.int(1)) => {
                known.remove(&i32::try_from(leave.result).unwrap_or(-1));
            }
            // Descriptors may have come with a message.
            "recvmsg" | "recvmmsg" => known.clear(),
            "pipe" | "pipe2" | "socketpair" => {
                let at = if call.def.name == "socketpair" { 3 } else { 0 };
                let ends = leave
                    .outs
                    .iter()
                    .find(|out| out.addr == call.args[at])
                    .and_then(|out| out.data.as_chunks::<4>().0.first_chunk::<2>().copied());
                for end in ends.into_iter().flatten().map(i32::from_le_bytes) {
                    shadow.kinds.entry(process).or_default().remove(&end);
                    if let Kind::Pipe(inode) | Kind::Socket(Socket { inode, .. }) =
                        shadow.kind(process, real, end)
                    {
                        shadow.streams.is_own(inode);
                    }
                }
            }
            "bind" => {
                if let Kind::Socket(socket) = shadow.kind(process, real, call.int(0))
                    && socket.family == libc::AF_UNIX
                {
                    shadow.streams.is_own(socket.inode);
                }
            }
            _ => {
                if call.def.ret.is_descriptor() {
                    let fd = i32::try_from(leave.result).unwrap_or(-1);
                    known.remove(&fd);
                    shadow.epolls.closed(process, fd);
                    // A fifo of the file system.
                    if matches!(call.def.name, "open" | "openat")
                        && let Kind::Pipe(inode) = shadow.kind(process, real, fd)
                    {
                        shadow.streams.is_own(inode);
                    }
                }
            }
        }
        Ok(())
    }
}
