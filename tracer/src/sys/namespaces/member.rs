//! Makes a process a member of namespaces: a child of their init process, with the number
//! that comes next there.
//!
//! A process that enters a PID namespace has a parent outside, and can never become the child
//! of its init process. Its child can, by being left behind. So there are two forks; the first
//! process takes a number that is out of the way of those given in order.

use super::{CloneArgs, Extra, clone3, errno, receive, send, socket_pair, tell_senders};
use crate::sys::wait::Pid;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// Numbers for the process in between: below those at which a kernel starts again when it has
/// given out all.
const BETWEEN: std::ops::RangeInclusive<i32> = 200..=299;

const CLONE_NEWTIME: i32 = 0x80;
const JOINED: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWNET
    | CLONE_NEWTIME;

/// Where a new process belongs.
#[derive(Debug)]
pub struct Home {
    root: File,
    cwd: File,
    own: File,
}

impl Home {
    /// What members of the namespaces of `init` start with: root and working directory as
    /// this process had them when it started `init`.
    pub fn of(init: Pid) -> io::Result<Self> {
        let directory = |name| {
            use std::os::unix::fs::OpenOptionsExt;
            std::fs::OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
                .open(format!("/proc/{init}/{name}"))
        };
        Ok(Self {
            root: directory("root")?,
            cwd: directory("cwd")?,
            own: File::open("/proc/self/ns/pid")?,
        })
    }
}

/// A new member, waiting for a byte from `gate` before it does anything; if that is closed
/// instead, it ends.
#[derive(Debug)]
pub struct Member {
    /// Its number here.
    pub pid: Pid,
    /// Its way to go on.
    pub gate: OwnedFd,
}

/// Forks a member of the namespaces of an init process, which goes on in `body` with its end
/// of the gate.
///
/// # Safety
/// `body` may call async-signal-safe functions only.
pub unsafe fn fork(pidfd: RawFd, home: &Home, body: impl FnOnce(RawFd)) -> io::Result<Member> {
    let (ours, theirs) = socket_pair()?;
    tell_senders(ours.as_raw_fd())?;
    // Where this thread's children come to be; not where it is itself.
    join(pidfd, libc::CLONE_NEWPID)?;
    // SAFETY: the child calls async-signal-safe functions only and does not return.
    let between = unsafe { fork_between() };
    if matches!(between, Ok(0)) {
        // SAFETY: as above; `theirs` and `home` are its own copies.
        unsafe {
            libc::close(ours.as_raw_fd());
            between_steps(pidfd, home, theirs.as_raw_fd());
            body(theirs.as_raw_fd());
            libc::_exit(FAILED);
        }
    }
    let back = join(home.own.as_raw_fd(), libc::CLONE_NEWPID);
    drop(theirs);
    let between = between?;
    let met = receive(ours.as_raw_fd());
    reap(between);
    back?;
    match met? {
        Some(([0, 0], Extra::Process(pid))) if pid > 0 => Ok(Member {
            pid: Pid(pid),
            gate: ours,
        }),
        Some(([error, _], _)) if error != 0 => Err(io::Error::from_raw_os_error(error)),
        _ => Err(io::Error::other("a new process was killed")),
    }
}

/// Exit code of a process whose preparation failed; never seen by the application.
const FAILED: i32 = 125;

fn join(namespace: RawFd, kinds: i32) -> io::Result<()> {
    // SAFETY: no memory is involved.
    if unsafe { libc::setns(namespace, kinds) } == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Forks the process in between.
///
/// # Safety
/// As for [`clone3`].
unsafe fn fork_between() -> io::Result<i32> {
    let mut last = io::Error::from_raw_os_error(libc::EEXIST);
    for number in BETWEEN.rev() {
        let args = CloneArgs {
            exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
            set_tid: (&raw const number).addr() as u64,
            set_tid_size: 1,
            ..CloneArgs::default()
        };
        // SAFETY: the caller's promise.
        match unsafe { clone3(&args) } {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => last = error,
            done => return done,
        }
    }
    Err(last)
}

/// What the process in between does. Returns in its child only, once that has told of itself
/// and belongs to the init process.
///
/// # Safety
/// Only in a process of its own.
unsafe fn between_steps(pidfd: RawFd, home: &Home, gate: RawFd) {
    // SAFETY: plain syscalls; the descriptors are live.
    unsafe {
        let fail = |error: i32| -> ! {
            // If nobody hears it, its end tells the same.
            let _ = send(gate, [error, 0], Extra::None);
            libc::_exit(FAILED)
        };
        if libc::setns(pidfd, JOINED) == -1
            || libc::fchdir(home.root.as_raw_fd()) == -1
            || libc::chroot(c".".as_ptr()) == -1
            || libc::fchdir(home.cwd.as_raw_fd()) == -1
        {
            fail(errno());
        }
        let args = CloneArgs {
            exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
            ..CloneArgs::default()
        };
        match clone3(&args) {
            Ok(0) => {}
            Ok(_) => libc::_exit(0),
            Err(_) => fail(errno()),
        }
        if send(gate, [0, 0], Extra::None).is_err() {
            libc::_exit(FAILED);
        }
    }
}

fn reap(pid: i32) {
    loop {
        // SAFETY: nothing is stored.
        let done = unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) };
        if done != -1 || errno() != libc::EINTR {
            return;
        }
    }
}
