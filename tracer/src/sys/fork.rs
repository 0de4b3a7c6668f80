//! Starts the first traced process. `std::process::Command` cannot be used: it waits for
//! its child's `execve`, which waits for us.

use super::namespaces::member;
use super::ptrace;
use super::seccomp;
use super::wait::Pid;
use crate::namespaces::Namespaces;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What to execute.
#[derive(Debug)]
pub struct Program {
    path: CString,
    argv: Vec<CString>,
    envp: Vec<CString>,
    /// Start a session of its own, so that no terminal signal reaches it.
    pub own_session: bool,
    /// Every mapping where it is each time, as far as the kernel has a say in it.
    pub fixed_layout: bool,
    /// Blocked signals of the new process.
    pub signal_mask: libc::sigset_t,
}

impl Program {
    /// A program with arguments and environment. Fails on an embedded NUL.
    pub fn new<'s>(
        path: &Path,
        argv: impl IntoIterator<Item = &'s [u8]>,
        envp: impl IntoIterator<Item = &'s [u8]>,
    ) -> io::Result<Self> {
        let all = |strings: &mut dyn Iterator<Item = &'s [u8]>| {
            strings.map(CString::new).collect::<Result<Vec<_>, _>>()
        };
        // SAFETY: a zeroed sigset_t is the empty set.
        let signal_mask = unsafe { std::mem::zeroed() };
        Ok(Self {
            path: CString::new(path.as_os_str().as_bytes())?,
            argv: all(&mut argv.into_iter())?,
            envp: all(&mut envp.into_iter())?,
            own_session: false,
            fixed_layout: false,
            signal_mask,
        })
    }
}

/// Asks `personality` for the present one.
const PRESENT_PERSONALITY: libc::c_ulong = 0xffff_ffff;
const NO_RANDOM_LAYOUT: libc::c_ulong = libc::ADDR_NO_RANDOMIZE.cast_unsigned() as libc::c_ulong;
/// Exit code of a child whose preparation failed; never seen by the application.
const PREPARATION_FAILED: i32 = 125;

/// Forks a process that is traced from before its `execve`, its next stop being that
/// syscall. Its time stamp counter traps, its syscalls are handed to the supervisor. It is a
/// child of this thread or, in namespaces, of their init process.
pub fn spawn(program: &Program, namespaces: Option<&Namespaces>) -> io::Result<Pid> {
    let argv = pointers(&program.argv);
    let envp = pointers(&program.envp);
    match namespaces {
        None => spawn_child(program, &argv, &envp),
        Some(namespaces) => spawn_member(program, &argv, &envp, namespaces),
    }
}

fn spawn_member(
    program: &Program,
    argv: &[*const libc::c_char],
    envp: &[*const libc::c_char],
    namespaces: &Namespaces,
) -> io::Result<Pid> {
    // SAFETY: `child` calls async-signal-safe functions only.
    let member = unsafe {
        member::fork(namespaces.pidfd(), namespaces.home(), |gate| {
            child(program, argv, envp, gate)
        })
    }?;
    // If this fails, the end of the gate ends the process.
    ptrace::seize(member.pid)?;
    // SAFETY: one byte of a static string.
    unsafe { libc::write(member.gate.as_raw_fd(), b"x".as_ptr().cast(), 1) };
    Ok(member.pid)
}

fn spawn_child(
    program: &Program,
    argv: &[*const libc::c_char],
    envp: &[*const libc::c_char],
) -> io::Result<Pid> {
    let gate = pipe()?;
    // SAFETY: the child runs only async-signal-safe code until `execve` or `_exit`.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        let error = io::Error::last_os_error();
        close(gate.0);
        close(gate.1);
        return Err(error);
    }
    if pid == 0 {
        close(gate.1);
        child(program, argv, envp, gate.0);
    }
    close(gate.0);
    let seized = ptrace::seize(Pid(pid));
    if seized.is_ok() {
        // SAFETY: one byte of a static string.
        unsafe { libc::write(gate.1, b"x".as_ptr().cast(), 1) };
    }
    close(gate.1);
    seized.map(|()| Pid(pid))
}

fn child(
    program: &Program,
    argv: &[*const libc::c_char],
    envp: &[*const libc::c_char],
    gate: RawFd,
) -> ! {
    // SAFETY: all pointers come from `CString`s and null-terminated arrays of the
    // caller, whose memory this process has a copy of; every function called is
    // async-signal-safe.
    unsafe {
        let mut byte = 0u8;
        // End of file: the supervisor died or could not attach.
        if libc::read(gate, (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(PREPARATION_FAILED);
        }
        libc::close(gate);
        if program.own_session {
            libc::setsid();
        }
        if program.fixed_layout {
            let present = libc::personality(PRESENT_PERSONALITY);
            // Where it is not allowed, the layout is a random one.
            if let Ok(present) = u64::try_from(present) {
                libc::personality(present | NO_RANDOM_LAYOUT);
            }
        }
        // The Rust runtime ignores it; programs expect the default.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::pthread_sigmask(
            libc::SIG_SETMASK,
            &raw const program.signal_mask,
            std::ptr::null_mut(),
        );
        libc::prctl(libc::PR_SET_TSC, libc::PR_TSC_SIGSEGV, 0, 0, 0);
        if seccomp::install().is_err() {
            libc::_exit(PREPARATION_FAILED);
        }
        libc::execve(program.path.as_ptr(), argv.as_ptr(), envp.as_ptr());
        libc::_exit(PREPARATION_FAILED);
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|s| s.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

fn pipe() -> io::Result<(RawFd, RawFd)> {
    let mut fds = [0; 2];
    // SAFETY: the kernel stores two descriptors.
    if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok((fds[0], fds[1]))
}

fn close(fd: RawFd) {
    // SAFETY: the descriptor is ours and not used afterwards.
    unsafe { libc::close(fd) };
}
