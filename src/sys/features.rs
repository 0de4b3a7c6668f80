//! Features of CPU and kernel, tried: the trapping of instructions, and what only some
//! processes may do.

use super::{ok, wait_for};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Why a feature is not there.
#[derive(Debug)]
pub enum Refused {
    /// The kernel said no.
    Error(io::Error),
    /// It said yes, but nothing follows from it.
    NoEffect,
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Error(error)
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::NoEffect => f.write_str("accepted by the kernel, but without effect"),
        }
    }
}

/// Exit codes of the children.
const TRAPPED: i32 = 42;
const NOT_TRAPPED: i32 = 43;

const ARCH_SET_CPUID: libc::c_int = 0x1012;

/// Whether `cpuid` can be made to trap.
pub fn cpuid_faulting() -> Result<(), Refused> {
    // SAFETY: no memory is involved.
    let forbid = || unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_CPUID, 0) };
    traps(forbid, || {
        std::hint::black_box(std::arch::x86_64::__cpuid(0));
    })
}

/// Whether reading the time stamp counter can be made to trap.
pub fn tsc_trapping() -> Result<(), Refused> {
    // SAFETY: no memory is involved.
    let forbid = || unsafe { libc::prctl(libc::PR_SET_TSC, libc::PR_TSC_SIGSEGV, 0, 0, 0) }.into();
    traps(forbid, || {
        // SAFETY: every x86-64 CPU has the instruction.
        std::hint::black_box(unsafe { std::arch::x86_64::_rdtsc() });
    })
}

/// Whether `instruction` raises SIGSEGV in a child that has called `forbid`. Both must be
/// async-signal-safe.
fn traps(forbid: impl Fn() -> libc::c_long, instruction: impl Fn()) -> Result<(), Refused> {
    extern "C" fn trapped(_: libc::c_int) {
        // SAFETY: async-signal-safe.
        unsafe { libc::_exit(TRAPPED) }
    }
    let handler: extern "C" fn(libc::c_int) = trapped;
    // SAFETY: the child runs nothing but async-signal-safe code, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: as above.
        unsafe {
            libc::signal(libc::SIGSEGV, handler as libc::sighandler_t);
            if forbid() != 0 {
                libc::_exit(*libc::__errno_location() & 0x7f);
            }
            instruction();
            libc::_exit(NOT_TRAPPED);
        }
    }
    ok(child.into())?;
    let status = wait_for(child)?;
    match (libc::WIFEXITED(status), libc::WEXITSTATUS(status)) {
        (true, TRAPPED) => Ok(()),
        (true, NOT_TRAPPED) | (false, _) => Err(Refused::NoEffect),
        (true, errno) => Err(io::Error::from_raw_os_error(errno).into()),
    }
}

/// Whether this process may choose the ids of its children. No child is made: the id that
/// is asked for is our own.
pub fn set_tid() -> io::Result<()> {
    // SAFETY: no memory is involved.
    let own = unsafe { libc::getpid() };
    // SAFETY: zeros are a valid structure.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.exit_signal = libc::SIGCHLD.cast_unsigned().into();
    args.set_tid = (&raw const own) as u64;
    args.set_tid_size = 1;
    // SAFETY: without CLONE_VM a child would have its own memory; it ends at once.
    let child = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const args,
            size_of::<libc::clone_args>(),
        )
    };
    match child {
        0 => {
            // SAFETY: async-signal-safe.
            unsafe { libc::_exit(0) }
        }
        -1 => {
            let error = io::Error::last_os_error();
            // We were allowed to ask.
            if error.raw_os_error() == Some(libc::EEXIST) {
                Ok(())
            } else {
                Err(error)
            }
        }
        child => {
            let child = i32::try_from(child).map_err(io::Error::other)?;
            wait_for(child).map(drop)
        }
    }
}

/// Whether this process may take TCP connections apart and put them together.
pub fn tcp_repair() -> io::Result<()> {
    let on: libc::c_int = 1;
    const INT_BYTES: libc::socklen_t = 4;
    // SAFETY: no memory is involved.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    ok(fd.into())?;
    // SAFETY: a descriptor that the kernel has just made for us.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the kernel reads one `int`.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_REPAIR,
            (&raw const on).cast(),
            INT_BYTES,
        )
    };
    ok(done.into())
}

/// Whether this process can open the device that makes network interfaces.
pub fn tun() -> io::Result<()> {
    const TUNGETFEATURES: libc::c_ulong = 0x8004_54cf;
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    let mut features: libc::c_uint = 0;
    // SAFETY: the kernel stores one word.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), TUNGETFEATURES, &raw mut features) };
    ok(done.into())
}
