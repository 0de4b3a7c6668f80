//! ptrace as a typestate: operations exist on a [`Stopped`] thread only, resuming
//! consumes it, and a thread that vanished meanwhile is the error [`Gone`], not a panic.

use super::wait::Pid;
use pmu::Regs;
use std::marker::PhantomData;

/// The thread is no longer there, or no longer stopped: it was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the traced thread is gone")]
pub struct Gone;

/// Result of an operation on a stopped thread.
pub type Result<T> = std::result::Result<T, Gone>;

/// How a stopped thread goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Until a signal, an event or a syscall that the filter hands over.
    Cont,
    /// The same, and until the next syscall's entry or exit.
    Syscall,
    /// One instruction.
    Step,
    /// Stay in the group stop, but notice its end.
    Listen,
}

/// Options set on every traced thread.
pub const OPTIONS: i32 = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACEVFORKDONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_EXITKILL;

/// A traced thread standing in a ptrace stop. Only the thread that traces it may use
/// it: the type does not leave that thread.
#[derive(Debug)]
pub struct Stopped {
    tid: Pid,
    only_here: PhantomData<*const ()>,
}

/// The largest XSAVE area handled: AVX-512 needs 2,696 bytes, AMX 11,008.
const XSAVE_BYTES_MAX: usize = 16 * 1024;

impl Stopped {
    /// A thread of which `waitpid` has just reported a stop.
    #[must_use]
    pub const fn reported(tid: Pid) -> Self {
        Self {
            tid,
            only_here: PhantomData,
        }
    }

    /// Its thread id, as the kernel knows it.
    #[must_use]
    pub const fn tid(&self) -> Pid {
        self.tid
    }

    /// The general registers.
    pub fn regs(&self) -> Result<Regs> {
        let mut regs = Regs::default();
        // SAFETY: `Regs` is `repr(C)` with the fields of `user_regs_struct`, which
        // PTRACE_GETREGS fills; it outlives the call.
        let done = unsafe {
            libc::ptrace(
                libc::PTRACE_GETREGS,
                self.tid.0,
                0usize,
                std::ptr::from_mut(&mut regs),
            )
        };
        check(done).map(|_| regs)
    }

    /// Sets the general registers.
    pub fn set_regs(&self, regs: &Regs) -> Result<()> {
        // SAFETY: as in `regs`; the kernel only reads.
        let done = unsafe {
            libc::ptrace(
                libc::PTRACE_SETREGS,
                self.tid.0,
                0usize,
                std::ptr::from_ref(regs),
            )
        };
        check(done).map(|_| ())
    }

    /// The extended state (x87, SSE, AVX …) in the XSAVE layout of this CPU.
    pub fn xstate(&self) -> Result<Vec<u8>> {
        let mut area = vec![0u8; XSAVE_BYTES_MAX];
        let mut vec = libc::iovec {
            iov_base: area.as_mut_ptr().cast(),
            iov_len: area.len(),
        };
        // SAFETY: the iovec describes `area`, which outlives the call; the kernel writes
        // at most its length and stores the length used.
        let done = unsafe {
            libc::ptrace(
                libc::PTRACE_GETREGSET,
                self.tid.0,
                NT_X86_XSTATE,
                std::ptr::from_mut(&mut vec),
            )
        };
        check(done)?;
        area.truncate(vec.iov_len);
        Ok(area)
    }

    /// Sets the extended state.
    pub fn set_xstate(&self, area: &[u8]) -> Result<()> {
        let mut vec = libc::iovec {
            iov_base: area.as_ptr().cast_mut().cast(),
            iov_len: area.len(),
        };
        // SAFETY: the iovec describes `area`, which the kernel only reads.
        let done = unsafe {
            libc::ptrace(
                libc::PTRACE_SETREGSET,
                self.tid.0,
                NT_X86_XSTATE,
                std::ptr::from_mut(&mut vec),
            )
        };
        check(done).map(|_| ())
    }

    /// The message of a `PTRACE_EVENT_` stop.
    pub fn event_message(&self) -> Result<u64> {
        let mut message: libc::c_ulong = 0;
        // SAFETY: the kernel stores one unsigned long at the given address.
        let done = unsafe {
            libc::ptrace(
                libc::PTRACE_GETEVENTMSG,
                self.tid.0,
                0usize,
                std::ptr::from_mut(&mut message),
            )
        };
        check(done).map(|_| message)
    }

    /// The `siginfo_t` of the signal that the thread stopped for.
    pub fn siginfo(&self) -> Result<[u8; 128]> {
        let mut info = [0u8; 128];
        // SAFETY: a siginfo_t has 128 bytes, which the kernel fills.
        let done = unsafe {
            libc::ptrace(
                libc::PTRACE_GETSIGINFO,
                self.tid.0,
                0usize,
                info.as_mut_ptr(),
            )
        };
        check(done).map(|_| info)
    }

    /// The `siginfo_t` of every signal that waits to be delivered: to this thread, or to any
    /// of its process (`shared`).
    pub fn pending(&self, shared: bool) -> Result<Vec<[u8; 128]>> {
        const AT_ONCE: i32 = 16;
        let mut all = Vec::new();
        loop {
            let mut some = [[0u8; 128]; AT_ONCE as usize];
            let args = libc::ptrace_peeksiginfo_args {
                off: all.len() as u64,
                flags: u32::from(shared) * libc::PTRACE_PEEKSIGINFO_SHARED,
                nr: AT_ONCE,
            };
            // SAFETY: `args` is only read; a siginfo_t has 128 bytes, and the kernel fills at
            // most `nr` of them.
            let done = unsafe {
                libc::ptrace(
                    libc::PTRACE_PEEKSIGINFO,
                    self.tid.0,
                    std::ptr::from_ref(&args),
                    some.as_mut_ptr(),
                )
            };
            let count = usize::try_from(check(done)?).unwrap_or(0);
            all.extend_from_slice(&some[..count.min(some.len())]);
            if count < some.len() {
                return Ok(all);
            }
        }
    }

    /// The signals that it blocks; in a syscall that changes them for its time, those before.
    pub fn signal_mask(&self) -> Result<u64> {
        let mut mask = 0u64;
        // SAFETY: the kernel stores a signal set of the size given, 8 bytes.
        let done = unsafe {
            libc::ptrace(
                PTRACE_GETSIGMASK,
                self.tid.0,
                size_of::<u64>(),
                std::ptr::from_mut(&mut mask),
            )
        };
        check(done).map(|_| mask)
    }

    /// Sets the signals that it blocks.
    pub fn set_signal_mask(&self, mask: u64) -> Result<()> {
        // SAFETY: the kernel reads a signal set of the size given, 8 bytes.
        let done = unsafe {
            libc::ptrace(
                PTRACE_SETSIGMASK,
                self.tid.0,
                size_of::<u64>(),
                std::ptr::from_ref(&mask),
            )
        };
        check(done).map(|_| ())
    }

    /// Suspends, or resumes, all its seccomp filters. Not everybody may.
    pub fn suspend_seccomp(&self, suspend: bool) -> std::io::Result<()> {
        let more = if suspend { PTRACE_O_SUSPEND_SECCOMP } else { 0 };
        #[allow(clippy::cast_sign_loss, reason = "a bit set")]
        // SAFETY: no memory is involved.
        let done = unsafe {
            libc::ptrace(
                libc::PTRACE_SETOPTIONS,
                self.tid.0,
                0usize,
                (OPTIONS | more) as usize,
            )
        };
        if done == -1 {
            Err(std::io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Replaces that `siginfo_t`.
    pub fn set_siginfo(&self, info: &[u8; 128]) -> Result<()> {
        // SAFETY: a siginfo_t has 128 bytes, which the kernel reads.
        let done =
            unsafe { libc::ptrace(libc::PTRACE_SETSIGINFO, self.tid.0, 0usize, info.as_ptr()) };
        check(done).map(|_| ())
    }

    /// Lets it go on, delivering `signal` (0: none) where the stop allows it.
    pub fn resume(self, how: Resume, signal: i32) -> Result<()> {
        let request = match how {
            Resume::Cont => libc::PTRACE_CONT,
            Resume::Syscall => libc::PTRACE_SYSCALL,
            Resume::Step => libc::PTRACE_SINGLESTEP,
            Resume::Listen => libc::PTRACE_LISTEN,
        };
        #[allow(
            clippy::cast_sign_loss,
            reason = "signal numbers are small and positive"
        )]
        // SAFETY: no memory is involved.
        let done = unsafe { libc::ptrace(request, self.tid.0, 0usize, signal as usize) };
        check(done).map(|_| ())
    }
}

const NT_X86_XSTATE: usize = 0x202;
// include/uapi/linux/ptrace.h
const PTRACE_GETSIGMASK: libc::c_uint = 0x420a;
const PTRACE_SETSIGMASK: libc::c_uint = 0x420b;
const PTRACE_O_SUSPEND_SECCOMP: i32 = 1 << 21;

/// Stops a traced thread that runs, where it next could return to user mode.
pub fn interrupt(tid: Pid) -> Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, tid.0, 0usize, 0usize) }).map(|_| ())
}

/// Starts tracing `tid`, with [`OPTIONS`], without stopping it.
pub fn seize(tid: Pid) -> std::io::Result<()> {
    #[allow(clippy::cast_sign_loss, reason = "a bit set")]
    // SAFETY: no memory is involved.
    let done = unsafe { libc::ptrace(libc::PTRACE_SEIZE, tid.0, 0usize, OPTIONS as usize) };
    if done == -1 {
        Err(std::io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// The only error that a correct request on a stopped thread can meet is ESRCH: the
/// thread was killed, or is a zombie. Anything else is taken as the same, because the
/// thread cannot be used either way, and its wait status tells the rest.
const fn check(done: libc::c_long) -> Result<libc::c_long> {
    if done == -1 { Err(Gone) } else { Ok(done) }
}

/// An XSAVE area that puts every component of the extended state into its initial
/// configuration, as the kernel does when it enters a signal handler.
#[must_use]
pub fn initial_xstate(len: usize) -> Vec<u8> {
    const FCW: [u8; 2] = 0x037f_u16.to_le_bytes();
    const MXCSR: [u8; 4] = 0x1f80_u32.to_le_bytes();
    let mut area = vec![0u8; len.max(576)];
    area[0..2].copy_from_slice(&FCW);
    area[24..28].copy_from_slice(&MXCSR);
    area
}
