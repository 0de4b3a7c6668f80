//! `waitpid`, which the nix crate cannot offer here: it fails on real-time signals.

use std::io;

/// A process or thread id as the kernel of this machine knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub i32);

impl std::fmt::Display for Pid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What `waitpid` reported of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It ended; the raw wait status.
    Ended(i32),
    /// A signal is about to be delivered.
    Signal(i32),
    /// It entered or left a syscall (`PTRACE_SYSCALL`).
    Syscall,
    /// A `PTRACE_EVENT_` stop other than `PTRACE_EVENT_STOP`.
    Event(i32),
    /// `PTRACE_EVENT_STOP`: a new thread's first stop, an interrupt, or (with a
    /// stopping signal) a group stop.
    Stop(i32),
}

impl Status {
    /// Decodes a wait status.
    #[must_use]
    pub const fn decode(status: i32) -> Self {
        if !libc::WIFSTOPPED(status) {
            return Self::Ended(status);
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            0 if signal == libc::SIGTRAP | 0x80 => Self::Syscall,
            0 => Self::Signal(signal),
            libc::PTRACE_EVENT_STOP => Self::Stop(signal),
            event => Self::Event(event),
        }
    }

    /// Whether the thread has ended, or executes nothing more.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::Event(libc::PTRACE_EVENT_EXIT))
    }
}

/// Whom to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// Any traced thread or child.
    Any,
    /// This one.
    Only(Pid),
}

/// Waits for a report. `None` if `block` is false and there is none; an error with
/// `ECHILD` if there is nobody to wait for.
pub fn wait(whom: Whom, block: bool) -> io::Result<Option<(Pid, Status)>> {
    loop {
        match wait_or_tick(whom, block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The same, but a signal to this thread ends it with an error of kind `Interrupted`.
pub fn wait_or_tick(whom: Whom, block: bool) -> io::Result<Option<(Pid, Status)>> {
    let pid = match whom {
        Whom::Any => -1,
        Whom::Only(pid) => pid.0,
    };
    // Other threads have children of their own, such as the init process of namespaces.
    let flags = libc::__WALL | libc::__WNOTHREAD | if block { 0 } else { libc::WNOHANG };
    let mut status = 0;
    // SAFETY: the kernel stores one int at the given address.
    let found = unsafe { libc::waitpid(pid, &raw mut status, flags) };
    match found {
        0 => Ok(None),
        -1 => Err(io::Error::last_os_error()),
        found => Ok(Some((Pid(found), Status::decode(status)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_decode() {
        let cases = [
            (0x0000, Status::Ended(0)),
            (0x0100, Status::Ended(0x100)),
            (0x000b, Status::Ended(0x0b)),
            (0x137f, Status::Signal(19)),
            (0x857f, Status::Syscall),
            (0x0007_057f, Status::Event(libc::PTRACE_EVENT_SECCOMP)),
            (0x0080_057f, Status::Stop(5)),
            (0x0080_137f, Status::Stop(19)),
            (0x227f, Status::Signal(34)),
        ];
        for (raw, expected) in cases {
            assert_eq!(Status::decode(raw), expected, "{raw:#x}");
        }
    }
}
