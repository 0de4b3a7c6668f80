//! Brings the agent into an address space: its code, its data, its rings.

use super::{image, inside};
use crate::layout::PAGE_SYSCALL;
use crate::remote::{self, Met, RemoteError};
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::ptrace::Stopped;
use crate::sys::ring::Ring;
use crate::sys::wait::Pid;
use agent::layout::{
    CURRENT, ENTRY_SLOT, EXIT_SYSCALL, EXIT_SYSCALL_CODE, IMAGE, IMAGE_LEN, LOCAL, LOCAL_LEN,
    OTHER_FILES, RAW_SYSCALL, RAW_SYSCALL_CODE, READS_BASES, RING, RING_LEN, current_of,
};
use pmu::Regs;
use std::fs::File;
use std::io;
use std::ops::Range;

/// Bit of `AT_HWCAP2`: programs can read and write the bases (arch/x86/include/uapi/asm/hwcap2.h).
const HWCAP2_FSGSBASE: u64 = 1 << 1;

/// Why the agent could not be brought, or a site not be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The thread did something else.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Memory could not be read or written.
    #[error("{what}: {error}")]
    Memory {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        error: io::Error,
    },
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> PlaceError {
    move |error| PlaceError::Memory { what, error }
}

/// Where a thread stands that is to make syscalls for the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// At the exit of one.
    AtExit,
    /// At the entry of one that it will not make.
    AtEntry,
}

/// A stopped thread by whose hand memory is mapped. Its registers are left changed.
#[derive(Debug)]
pub struct Hand<'h> {
    /// The thread.
    pub tid: Pid,
    stands: Stands,
    /// Registers that do not matter.
    regs: &'h Regs,
    /// Signals that came meanwhile.
    pub met: Met,
    /// What it has mapped, and with which `PROT_` bits.
    pub mapped: Vec<(Range<u64>, i32)>,
    /// There may be memory where the agent is to be, which is to give way.
    pub over: bool,
    /// Files are other ones to the application than to the kernel.
    pub other_files: bool,
}

impl<'h> Hand<'h> {
    /// A thread that stands somewhere with these registers.
    #[must_use]
    pub const fn new(tid: Pid, stands: Stands, regs: &'h Regs) -> Self {
        Self {
            tid,
            stands,
            regs,
            met: Met::new(),
            mapped: Vec::new(),
            over: false,
            other_files: false,
        }
    }

    fn call(
        &mut self,
        stopped: Stopped,
        nr: i64,
        args: [u64; 6],
    ) -> Result<(Stopped, i64), RemoteError> {
        match self.stands {
            Stands::AtExit => {
                remote::call_at(stopped, self.regs, PAGE_SYSCALL, nr, args, &mut self.met)
            }
            Stands::AtEntry => remote::call(stopped, self.regs, nr, args, &mut self.met),
        }
    }

    /// Maps memory at a fixed address where there is none; whether it could.
    fn map(
        &mut self,
        stopped: Stopped,
        (at, len): (u64, u64),
        prot: i32,
        file: Option<i64>,
    ) -> Result<(Stopped, bool), RemoteError> {
        let kind = match file {
            Some(_) => libc::MAP_SHARED,
            None => libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        };
        let fixed = if self.over && inside::occupies(&(at..at + len)) {
            libc::MAP_FIXED
        } else {
            libc::MAP_FIXED_NOREPLACE
        };
        let flags = kind | fixed;
        let args = [
            at,
            len,
            prot.cast_unsigned().into(),
            flags.cast_unsigned().into(),
            file.unwrap_or(-1).cast_unsigned(),
            0,
        ];
        let (stopped, result) = self.call(stopped, libc::SYS_mmap, args)?;
        let mapped = result.cast_unsigned() == at;
        if mapped {
            self.mapped.push((at..at + len, prot));
        }
        Ok((stopped, mapped))
    }

    /// Maps a region for trampolines; whether it could.
    pub(super) fn map_code(
        &mut self,
        stopped: Stopped,
        range: (u64, u64),
    ) -> Result<(Stopped, bool), RemoteError> {
        self.map(stopped, range, libc::PROT_READ | libc::PROT_EXEC, None)
    }

    /// Brings the agent. There is none if the kernel refuses, which is no error.
    pub fn bring(&mut self, stopped: Stopped) -> Result<(Stopped, Option<Ring>), PlaceError> {
        let (code, data) = (
            libc::PROT_READ | libc::PROT_EXEC,
            libc::PROT_READ | libc::PROT_WRITE,
        );
        let (stopped, mapped) = self.map(stopped, (IMAGE, IMAGE_LEN), code, None)?;
        if !mapped {
            return Ok((stopped, None));
        }
        let (stopped, mapped) = self.map(stopped, (LOCAL, LOCAL_LEN), data, None)?;
        if !mapped {
            return Ok((stopped, None));
        }
        let (stopped, ring) = self.share(stopped)?;
        if ring.is_some() {
            self.fill()?;
        }
        Ok((stopped, ring))
    }

    /// Maps memory that the supervisor has, too.
    fn share(&mut self, stopped: Stopped) -> Result<(Stopped, Option<Ring>), PlaceError> {
        let name = remote::place_path(self.tid, b"ftrun-agent")?;
        let args = [name, libc::MFD_CLOEXEC.into(), 0, 0, 0, 0];
        let (mut stopped, fd) = self.call(stopped, libc::SYS_memfd_create, args)?;
        if fd < 0 {
            return Ok((stopped, None));
        }
        let file = File::options()
            .read(true)
            .write(true)
            .open(format!("/proc/{}/fd/{fd}", self.tid));
        let mut ring = file.and_then(|file| Ring::map(&file)).ok();
        if ring.is_some() {
            let prot = libc::PROT_READ | libc::PROT_WRITE;
            let (left, mapped) = self.map(stopped, (RING, RING_LEN), prot, Some(fd))?;
            stopped = left;
            ring = ring.filter(|_| mapped);
        }
        let args = [fd.cast_unsigned(), 0, 0, 0, 0, 0];
        let (stopped, _) = self.call(stopped, libc::SYS_close, args)?;
        Ok((stopped, ring))
    }

    fn fill(&self) -> Result<(), PlaceError> {
        let bases = host::hardware_capabilities_2() & HWCAP2_FSGSBASE != 0;
        let writes: [(u64, &[u8]); 7] = [
            (IMAGE, image::bytes()),
            (RAW_SYSCALL, &RAW_SYSCALL_CODE),
            (EXIT_SYSCALL, &EXIT_SYSCALL_CODE),
            (ENTRY_SLOT, &image::entry().to_le_bytes()),
            (CURRENT, &current_of(0).to_le_bytes()),
            (READS_BASES, &u32::from(bases).to_le_bytes()),
            (OTHER_FILES, &u32::from(self.other_files).to_le_bytes()),
        ];
        for (at, bytes) in writes {
            Remote(self.tid)
                .write(at, bytes)
                .map_err(failed("bringing the agent"))?;
        }
        Ok(())
    }
}
