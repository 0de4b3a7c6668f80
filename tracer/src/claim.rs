//! The claimed pages of a fresh address space: mapped by the program's own first instructions,
//! which lend the first remote syscall their place.

use crate::agent;
use crate::layout::{
    AGENT, AGENT_DATA, AGENT_DATA_LEN, CLAIMED, CLAIMED_LEN, PAGE, PAGE_SYSCALL, READS, READS_LEN,
    SYSCALL_INT3, touches_page,
};
use crate::maps::Area;
use crate::remote::{self, RemoteError};
use crate::sys::mem::Remote;
use crate::sys::ptrace::Stopped;
use crate::sys::wait::Pid;
use pmu::Regs;
use std::io;

/// Why they cannot be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Programs at fixed addresses may lie there.
    #[error("a program that occupies the page at {PAGE:#x}")]
    Occupied,
    /// The kernel refused.
    #[error("{what} (result {result})")]
    Refused {
        /// What was attempted.
        what: &'static str,
        /// What the kernel returned.
        result: i64,
    },
    /// Memory could not be read or written.
    #[error("{what}: {error}")]
    Memory {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        error: io::Error,
    },
    /// The thread did something else.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// Maps and fills the claimed pages of a thread that stands, with `regs`, before the first
/// instruction of its program. Signals on the way are added to `met`.
pub fn claim(
    tid: Pid,
    stopped: Stopped,
    regs: &Regs,
    areas: &[Area],
    met: &mut remote::Met,
) -> Result<Stopped, ClaimError> {
    let memory = Remote(tid);
    let failed = |what| move |error| ClaimError::Memory { what, error };
    if areas
        .iter()
        .any(|area| touches_page(area.start, area.len()))
    {
        return Err(ClaimError::Occupied);
    }
    let site = regs.rip;
    let mut original = [0; SYSCALL_INT3.len()];
    memory
        .read_exact(site, &mut original)
        .map_err(failed("reading the program's entry"))?;
    memory
        .write(site, &SYSCALL_INT3)
        .map_err(failed("writing the program's entry"))?;
    let args = [
        CLAIMED,
        CLAIMED_LEN,
        (libc::PROT_READ | libc::PROT_EXEC).cast_unsigned().into(),
        (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE)
            .cast_unsigned()
            .into(),
        u64::MAX,
        0,
    ];
    let (stopped, result) = remote::call_at(stopped, regs, site, libc::SYS_mmap, args, met)?;
    memory
        .write(site, &original)
        .map_err(failed("restoring the program's entry"))?;
    if result.cast_unsigned() != CLAIMED {
        let what = "mapping the page at 0x70000000";
        return Err(ClaimError::Refused { what, result });
    }
    memory
        .write(PAGE_SYSCALL, &SYSCALL_INT3)
        .and_then(|()| memory.write(AGENT, agent::code()))
        .map_err(failed("filling the claimed page"))?;
    let prot = (libc::PROT_READ | libc::PROT_WRITE).cast_unsigned().into();
    let mut stopped = stopped;
    for (start, len) in [(READS, READS_LEN), (AGENT_DATA, AGENT_DATA_LEN)] {
        let args = [start, len, prot, 0, 0, 0];
        let nr = libc::SYS_mprotect;
        let (left, result) = remote::call_at(stopped, regs, PAGE_SYSCALL, nr, args, met)?;
        stopped = left;
        if result != 0 {
            let what = "protecting the page at 0x70000000";
            return Err(ClaimError::Refused { what, result });
        }
    }
    Ok(stopped)
}
