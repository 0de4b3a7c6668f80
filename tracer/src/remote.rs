//! Syscalls that the supervisor makes a stopped thread perform, from the claimed page.

use crate::layout::{PAGE_DATA, PAGE_DATA_LEN, PAGE_SYSCALL, PAGE_SYSCALL_DONE};
use crate::sys::mem::Remote;
use crate::sys::ptrace::{Gone, Resume, Stopped};
use crate::sys::wait::{self, Pid, Status, Whom};
use pmu::Regs;

/// Why a remote syscall could not be performed.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The thread was killed.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// It stopped for something else.
    #[error("thread {tid} stopped with {status:?} in a syscall of the supervisor")]
    Unexpected {
        /// The thread.
        tid: Pid,
        /// The stop.
        status: Status,
    },
    /// The kernel refused it.
    #[error("{what} in thread {tid}: {error}")]
    Failed {
        /// The thread.
        tid: Pid,
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        error: std::io::Error,
    },
}

/// A stop met on the way, which the caller of [`start`] may want to see.
pub type Report = (Stopped, Status);

/// Lets `stopped` perform a syscall, up to its next stop, whatever that is. `base` gives
/// the registers that do not matter.
pub fn start(
    stopped: Stopped,
    base: &Regs,
    site: u64,
    nr: u64,
    args: [u64; 6],
) -> Result<Report, RemoteError> {
    set_up(&stopped, base, site, nr, args)?;
    proceed(stopped)
}

fn set_up(
    stopped: &Stopped,
    base: &Regs,
    site: u64,
    nr: u64,
    args: [u64; 6],
) -> Result<(), RemoteError> {
    let mut regs = *base;
    regs.rax = nr;
    regs.orig_rax = u64::MAX;
    regs.rip = site;
    for (index, value) in args.into_iter().enumerate() {
        regs.set_arg(index, value);
    }
    Ok(stopped.set_regs(&regs)?)
}

/// Lets it go on, up to its next stop.
pub fn proceed(stopped: Stopped) -> Result<Report, RemoteError> {
    proceed_as(stopped, Resume::Cont)
}

fn proceed_as(stopped: Stopped, how: Resume) -> Result<Report, RemoteError> {
    let tid = stopped.tid();
    stopped.resume(how, 0)?;
    match wait::wait(Whom::Only(tid), true) {
        Ok(Some((_, Status::Ended(_)))) | Ok(None) | Err(_) => Err(RemoteError::Gone(Gone)),
        Ok(Some((tid, status))) => Ok((Stopped::reported(tid), status)),
    }
}

/// Signals that somebody sent to a thread while it performed a remote syscall, each as its
/// `siginfo`. They are not delivered; the caller decides what becomes of them.
pub type Met = Vec<[u8; 128]>;

/// Performs a syscall and returns its result. The registers are left changed.
pub fn call(
    stopped: Stopped,
    base: &Regs,
    nr: i64,
    args: [u64; 6],
    met: &mut Met,
) -> Result<(Stopped, i64), RemoteError> {
    let mut report = start(stopped, base, PAGE_SYSCALL, nr.cast_unsigned(), args)?;
    loop {
        let (stopped, status) = report;
        if status == Status::Signal(libc::SIGTRAP) {
            let regs = stopped.regs()?;
            if regs.rip == PAGE_SYSCALL_DONE && is_raised(&stopped.siginfo()?) {
                return Ok((stopped, regs.rax.cast_signed()));
            }
        }
        report = proceed(pass(stopped, status, met)?)?;
    }
}

/// The same with a `syscall` instruction anywhere, and up to the syscall's exit: no trap
/// follows, which would be forced upon the thread and change what it does with `SIGTRAP`.
pub fn call_at(
    stopped: Stopped,
    base: &Regs,
    site: u64,
    nr: i64,
    args: [u64; 6],
    met: &mut Met,
) -> Result<(Stopped, i64), RemoteError> {
    set_up(&stopped, base, site, nr.cast_unsigned(), args)?;
    let mut report = proceed_as(stopped, Resume::Syscall)?;
    let mut entered = false;
    loop {
        let (mut stopped, status) = report;
        match status {
            Status::Syscall if entered => {
                let result = stopped.regs()?.rax.cast_signed();
                return Ok((stopped, result));
            }
            // The exit of one that was skipped may come first.
            Status::Syscall => entered = stopped.regs()?.orig_rax == nr.cast_unsigned(),
            // The filter stops it where the site is not in the claimed page.
            Status::Event(libc::PTRACE_EVENT_SECCOMP) => {}
            _ => stopped = pass(stopped, status, met)?,
        }
        report = proceed_as(stopped, Resume::Syscall)?;
    }
}

/// Passes a stop on the way to the end of a remote syscall, if that can still be reached.
fn pass(stopped: Stopped, status: Status, met: &mut Met) -> Result<Stopped, RemoteError> {
    match status {
        Status::Signal(signal) => {
            let info = stopped.siginfo()?;
            if !(is_raised(&info) && is_fault(signal)) {
                met.push(info);
                return Ok(stopped);
            }
        }
        // What it was interrupted for is there: it has stopped.
        Status::Stop(libc::SIGTRAP) => return Ok(stopped),
        // Killed: its end will be reported.
        Status::Event(libc::PTRACE_EVENT_EXIT) => {
            stopped.resume(Resume::Cont, 0)?;
            return Err(RemoteError::Gone(Gone));
        }
        _ => {}
    }
    Err(RemoteError::Unexpected {
        tid: stopped.tid(),
        status,
    })
}

/// Whether the kernel, and nobody else, is the origin of a signal.
fn is_raised(info: &[u8; 128]) -> bool {
    i32::from_le_bytes([info[8], info[9], info[10], info[11]]) > 0
}

/// Whether a signal can be raised by an instruction.
const fn is_fault(signal: i32) -> bool {
    matches!(
        signal,
        libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL | libc::SIGTRAP
    )
}

/// Performs a syscall that must succeed.
pub fn must(
    stopped: Stopped,
    base: &Regs,
    what: &'static str,
    nr: i64,
    args: [u64; 6],
    met: &mut Met,
) -> Result<(Stopped, u64), RemoteError> {
    let tid = stopped.tid();
    let (stopped, result) = call(stopped, base, nr, args, met)?;
    if (-4095..0).contains(&result) {
        let errno = i32::try_from(-result).unwrap_or(libc::EINVAL);
        return Err(RemoteError::Failed {
            tid,
            what,
            error: std::io::Error::from_raw_os_error(errno),
        });
    }
    Ok((stopped, result.cast_unsigned()))
}

/// Lets a thread that stands at a call into the vsyscall page return to its caller with these
/// registers (`orig_rax` says that the kernel is to do nothing), and no further: in that page
/// it cannot be given an instruction pointer. The registers become those at the caller; a
/// status, if it stopped there for something else than the supervisor's trap.
pub fn leave_vsyscall(
    stopped: Stopped,
    regs: &mut Regs,
) -> Result<(Stopped, Option<Status>), RemoteError> {
    const INT3: [u8; 1] = [0xcc];
    let tid = stopped.tid();
    let memory = Remote(tid);
    stopped.set_regs(regs)?;
    // The kernel has read it before it asked seccomp.
    regs.rip = memory.read_u64(regs.rsp).unwrap_or(0);
    regs.rsp += 8;
    // Where there is no code, the thread faults before it executes anything.
    let mut original = INT3;
    let trap = memory.read_some(regs.rip, &mut original) == original.len()
        && memory.write(regs.rip, &INT3).is_ok();
    let (stopped, status) = proceed(stopped)?;
    if !trap {
        return Ok((stopped, Some(status)));
    }
    memory
        .write(regs.rip, &original)
        .map_err(|error| RemoteError::Failed {
            tid,
            what: "restoring an instruction",
            error,
        })?;
    if status == Status::Signal(libc::SIGTRAP) && stopped.regs()?.rip == regs.rip + 1 {
        stopped.set_regs(regs)?;
        return Ok((stopped, None));
    }
    Ok((stopped, Some(status)))
}

/// Puts a NUL-terminated path where a remote syscall can read it; returns its address.
pub fn place_path(tid: Pid, path: &[u8]) -> Result<u64, RemoteError> {
    let failed = |error| RemoteError::Failed {
        tid,
        what: "placing a path",
        error,
    };
    if path.len() >= PAGE_DATA_LEN {
        return Err(failed(std::io::Error::from_raw_os_error(
            libc::ENAMETOOLONG,
        )));
    }
    let mut bytes = path.to_vec();
    bytes.push(0);
    Remote(tid).write(PAGE_DATA, &bytes).map_err(failed)?;
    Ok(PAGE_DATA)
}
