//! What recording needs, tried on a child: attaching to it, reading its memory, and being
//! told of its syscalls by a seccomp filter.

use super::{ok, wait_for};
use std::io;

/// What came of each step. A step that was not reached, because one before it failed, is
/// `None`.
#[derive(Debug, Default)]
pub struct Tracing {
    /// Attaching with the options that the recorder uses.
    pub attach: Option<io::Result<()>>,
    /// Reading its memory.
    pub memory: Option<io::Result<()>>,
    /// A syscall that its seccomp filter handed over.
    pub seccomp: Option<io::Result<()>>,
}

/// As the recorder's.
const OPTIONS: libc::c_int = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACEVFORKDONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_EXITKILL;

/// What the child has at a place that both know.
static MARK: u64 = 0x6674_7275_6e21_2121;

const NR_OFFSET: u32 = 0;
const FILTER_LEN: libc::c_ushort = 4;
const BPF_LOAD: u16 = 0x20;
const BPF_JUMP_EQUAL: u16 = 0x15;
const BPF_RETURN: u16 = 0x06;

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

#[allow(clippy::cast_possible_truncation, reason = "syscall numbers are small")]
static FILTER: [libc::sock_filter; FILTER_LEN as usize] = [
    instruction(BPF_LOAD, 0, 0, NR_OFFSET),
    instruction(BPF_JUMP_EQUAL, 0, 1, libc::SYS_getppid as u32),
    instruction(BPF_RETURN, 0, 0, libc::SECCOMP_RET_TRACE),
    instruction(BPF_RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
];

/// Tries it.
pub fn trace_a_child() -> io::Result<Tracing> {
    let mut gate = [0; 2];
    // SAFETY: the kernel stores two descriptors.
    ok(unsafe { libc::pipe2(gate.as_mut_ptr(), libc::O_CLOEXEC) }.into())?;
    // SAFETY: the child runs nothing but async-signal-safe code, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        be_traced(gate);
    }
    let forked = ok(child.into());
    // SAFETY: both descriptors are ours, and neither is used afterwards.
    let close = |fd| unsafe { libc::close(fd) };
    close(gate[0]);
    let result = forked.map(|()| trace(child, gate[1]));
    close(gate[1]);
    if result.is_ok() {
        // SAFETY: our own child, which has not been waited for to its end.
        unsafe { libc::kill(child, libc::SIGKILL) };
        // It stops once more on its way out.
        while wait_for(child).is_ok_and(|status| libc::WIFSTOPPED(status)) {
            // SAFETY: resuming reads no memory of ours.
            unsafe { libc::ptrace(libc::PTRACE_CONT, child, 0usize, 0usize) };
        }
    }
    result
}

fn trace(child: libc::pid_t, gate: libc::c_int) -> Tracing {
    let mut tracing = Tracing::default();
    // SAFETY: attaching reads no memory of ours.
    let attached = ok(unsafe { libc::ptrace(libc::PTRACE_SEIZE, child, 0usize, OPTIONS as usize) });
    let done = attached.is_ok();
    tracing.attach = Some(attached);
    if !done {
        return tracing;
    }
    tracing.memory = Some(read_mark(child));
    // SAFETY: one byte of a static string.
    let opened = ok(unsafe { libc::write(gate, b"x".as_ptr().cast(), 1) } as libc::c_long);
    tracing.seccomp = Some(opened.and_then(|()| await_syscall(child)));
    tracing
}

fn read_mark(child: libc::pid_t) -> io::Result<()> {
    let mut found = 0u64;
    let local = libc::iovec {
        iov_base: (&raw mut found).cast(),
        iov_len: size_of::<u64>(),
    };
    let remote = libc::iovec {
        iov_base: (&raw const MARK).cast_mut().cast(),
        iov_len: size_of::<u64>(),
    };
    // SAFETY: `local` describes `found`; of the child, memory is only read.
    let read =
        unsafe { libc::process_vm_readv(child, &raw const local, 1, &raw const remote, 1, 0) };
    ok(read as libc::c_long)?;
    if found == MARK {
        Ok(())
    } else {
        Err(io::Error::other("another process's memory reads wrong"))
    }
}

fn await_syscall(child: libc::pid_t) -> io::Result<()> {
    let status = wait_for(child)?;
    if libc::WIFEXITED(status) {
        // It says why its filter was refused.
        return Err(io::Error::from_raw_os_error(libc::WEXITSTATUS(status)));
    }
    if status >> 8 == libc::SIGTRAP | libc::PTRACE_EVENT_SECCOMP << 8 {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "the filter handed over no syscall, but the child reported {status:#x}"
        )))
    }
}

fn be_traced(gate: [libc::c_int; 2]) -> ! {
    // SAFETY: everything called is async-signal-safe, and gets valid pointers to this
    // process's copy of the caller's memory.
    unsafe {
        libc::close(gate[1]);
        let mut byte = 0u8;
        // End of file: the parent could not attach, or is gone.
        if libc::read(gate[0], (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(0);
        }
        let program = libc::sock_fprog {
            len: FILTER_LEN,
            filter: FILTER.as_ptr().cast_mut(),
        };
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let installed = libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        );
        if installed != 0 {
            libc::_exit(*libc::__errno_location());
        }
        libc::syscall(libc::SYS_getppid);
        libc::_exit(0)
    }
}
