//! The seccomp filter that hands every syscall to the supervisor, except those issued
//! from the start of the claimed page. (`seccompiler` has no instruction-pointer conditions.) A syscall
//! of another architecture (`int 0x80`) raises `SIGSYS`, at which the recording ends.

use crate::layout::{PAGE, UNSEEN_LEN};
use std::io;

const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const OFFSET_ARCH: u32 = 4;
const OFFSET_IP_LOW: u32 = 8;
const OFFSET_IP_HIGH: u32 = 12;

/// What a stop that the supervisor's own filter made has as its event message. Of several
/// filters that want a stop, the one installed last gives the message, so that a stop that a
/// filter of the application's own wants as well has another one.
pub const OWN_MESSAGE: u16 = 0xf74e;

const fn stmt(code: u32, k: u32) -> libc::sock_filter {
    #[allow(clippy::cast_possible_truncation, reason = "BPF codes have 16 bits")]
    libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

const fn jump(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    #[allow(clippy::cast_possible_truncation, reason = "BPF codes have 16 bits")]
    libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_K | code) as u16,
        jt,
        jf,
        k,
    }
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

#[allow(clippy::cast_possible_truncation, reason = "the page lies below 4 GiB")]
static FILTER: [libc::sock_filter; 10] = [
    stmt(LOAD, OFFSET_ARCH),
    jump(libc::BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0),
    stmt(RETURN, libc::SECCOMP_RET_TRAP),
    stmt(LOAD, OFFSET_IP_HIGH),
    jump(libc::BPF_JEQ, (PAGE >> 32) as u32, 0, 3),
    stmt(LOAD, OFFSET_IP_LOW),
    jump(libc::BPF_JGE, PAGE as u32, 0, 1),
    jump(libc::BPF_JGE, (PAGE + UNSEEN_LEN) as u32, 0, 1),
    stmt(RETURN, libc::SECCOMP_RET_TRACE | OWN_MESSAGE as u32),
    stmt(RETURN, libc::SECCOMP_RET_ALLOW),
];

/// Installs the filter in the calling thread; from its next syscall on, a tracer must be
/// there. Async-signal-safe.
pub fn install() -> io::Result<()> {
    #[allow(clippy::cast_possible_truncation, reason = "ten instructions")]
    let program = libc::sock_fprog {
        len: FILTER.len() as u16,
        filter: FILTER.as_ptr().cast_mut(),
    };
    // SAFETY: `program` describes `FILTER`, which the kernel only reads.
    let try_install = || unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    if try_install() == 0 {
        return Ok(());
    }
    // Without CAP_SYS_ADMIN the kernel wants no_new_privs first.
    // SAFETY: no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if try_install() == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
