//! A thread inside the agent: where it stands, and how it is brought out of it.

use super::image;
use super::sites::Sites;
use crate::sys::mem::Remote;
use crate::sys::ptrace::{Gone, Stopped};
use agent::layout::{
    AREA_COMMON, CURRENT, END, EXIT_NR, EXIT_SYSCALL, Frame, IMAGE, IMAGE_LEN, Info, Inside, LOCAL,
    LOCAL_LEN, MADE_ANEW, Phase, RAW_SYSCALL, RAW_SYSCALL_CODE, RETURNED, RING, RING_LEN,
    current_of, inside_at,
};
use pmu::Regs;
use std::io;
use std::mem::offset_of;
use std::ops::Range;
use std::time::Duration;

/// Bytes of a `syscall` instruction.
pub const SYSCALL_BYTES: u64 = 2;

/// Where the agent keeps what concerns one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area(usize);

impl Area {
    /// The first one, which a thread has that is alone.
    pub const FIRST: Self = Self(0);
    /// The one of all threads that have none of their own.
    pub const COMMON: Self = Self(AREA_COMMON);

    /// Those that threads can have for themselves.
    pub fn own() -> impl Iterator<Item = Self> {
        (0..AREA_COMMON).map(Self)
    }

    /// Whether it is a thread's own.
    #[must_use]
    pub fn is_own(self) -> bool {
        self != Self::COMMON
    }

    const fn at(self, offset: usize) -> u64 {
        inside_at(self.0) + offset as u64
    }

    /// It is a thread's from now on, by the supervisor's number.
    pub fn begin(self, memory: Remote, thread: u32) -> io::Result<()> {
        const _: () = assert!(
            offset_of!(Inside, exit_stop) == offset_of!(Inside, phase) + 4
                && offset_of!(Inside, thread) == offset_of!(Inside, phase) + 8
        );
        let mut words = [0; 12];
        words[8..].copy_from_slice(&thread.to_le_bytes());
        memory.write(self.at(offset_of!(Inside, phase)), &words)
    }

    /// The thread that it belongs to has the CPU now.
    pub fn be_current(self, memory: Remote) -> io::Result<()> {
        memory.write(CURRENT, &current_of(self.0).to_le_bytes())
    }

    /// The thread is to report once the call that it is in is served.
    pub fn ask_report(self, memory: Remote) -> io::Result<()> {
        memory.write(self.at(offset_of!(Inside, exit_stop)), &1u32.to_le_bytes())
    }

    /// How far the agent is with a call: see [`Phase`].
    #[must_use]
    pub fn phase(self, memory: Remote) -> u32 {
        let phase = memory.read_u32(self.at(offset_of!(Inside, phase)));
        phase.unwrap_or(Phase::Idle as u32)
    }

    /// In no call, and not to report.
    fn be_idle(self, memory: Remote) -> io::Result<()> {
        memory.write(self.at(offset_of!(Inside, phase)), &[0; 8])
    }

    /// The number of the call that the agent is in.
    pub fn number(self, memory: Remote) -> io::Result<u64> {
        memory.read_u64(self.at(offset_of!(Frame, rax)))
    }

    /// When the wait began that the agent is or was in, since the machine started, if that has an end.
    #[must_use]
    pub fn wait_begun(self, memory: Remote) -> Option<Duration> {
        let at = self.at(offset_of!(Inside, wait_begun));
        let word = |at: u64| memory.read_u64(at).unwrap_or(0);
        let (seconds, parts) = (word(at), word(at + 8));
        match u32::try_from(parts) {
            Ok(parts) if (seconds, parts) != (0, 0) => Some(Duration::new(seconds, parts)),
            _ => None,
        }
    }

    /// What came of the wait without the CPU that a thread is in which has stopped with these registers.
    /// `None`: it has the CPU again.
    pub fn waited(self, memory: Remote, at: &Regs) -> io::Result<Option<i64>> {
        let phase = self.phase(memory);
        if phase == Phase::Leaves as u32 || phase == Phase::Done as u32 {
            return Ok(None);
        }
        if phase == Phase::Returned as u32 {
            return self.result(memory).map(Some);
        }
        let parks = phase == Phase::Parks as u32;
        Ok(Some(if parks { result_of_call(at) } else { MADE_ANEW }))
    }

    /// What came of the last wait without the CPU.
    pub fn result(self, memory: Remote) -> io::Result<i64> {
        let result = memory.read_u64(self.at(offset_of!(Inside, result)))?;
        Ok(result.cast_signed())
    }

    /// The vector registers of a thread that is led out of the agent become the application's, which
    /// the agent has saved.
    pub fn restore_vectors(self, memory: Remote, stopped: &Stopped) -> io::Result<()> {
        let mut vectors = [0; VECTORS_BYTES];
        memory.read_exact(self.at(offset_of!(Inside, vectors)), &mut vectors)?;
        let mut state = stopped.xstate().map_err(|Gone| io::ErrorKind::NotFound)?;
        let present = state.get_mut(XSTATE_BV).ok_or(io::ErrorKind::InvalidData)?;
        *present |= XSTATE_SSE;
        let place = state.get_mut(XSTATE_XMM..XSTATE_XMM + VECTORS_BYTES);
        place
            .ok_or(io::ErrorKind::InvalidData)?
            .copy_from_slice(&vectors);
        stopped
            .set_xstate(&state)
            .map_err(|Gone| io::ErrorKind::NotFound.into())
    }
}

/// The kernel goes on with a call that has this, for the rest of its time (`ERESTART_RESTARTBLOCK`).
const CONTINUED: i64 = -516;
/// Bytes of the SSE registers.
const VECTORS_BYTES: usize = 256;
/// Where they are in an XSAVE area, and where the byte with the bit that says so.
/// (Intel SDM volume 1, 13.4)
const XSTATE_XMM: usize = 160;
const XSTATE_BV: usize = 512;
const XSTATE_SSE: u8 = 1 << 1;

/// What came of the call that a thread waits in without the CPU, by these registers: the agent clears `rcx` before.
/// Where the kernel has it make the call anew, it stands in front of that, with the number.
const fn result_of_call(at: &Regs) -> i64 {
    if at.rcx != RAW_SYSCALL + SYSCALL_BYTES {
        return MADE_ANEW;
    }
    match (at.rip, at.rax.cast_signed()) {
        (RAW_SYSCALL, libc::SYS_restart_syscall) => CONTINUED,
        (RAW_SYSCALL, _) => MADE_ANEW,
        (_, result) => result,
    }
}

/// Whether these are the registers with which the agent reports that it has served a call.
#[must_use]
pub const fn reports(regs: &Regs) -> bool {
    regs.orig_rax == EXIT_NR && regs.rip == EXIT_SYSCALL + SYSCALL_BYTES
}

/// Whether a range touches what the agent occupies.
#[must_use]
pub const fn occupies(range: &Range<u64>) -> bool {
    range.start < END && range.end > IMAGE
}

/// Whether a range is exactly one of those that the agent is mapped in.
#[must_use]
pub fn is_part(range: &Range<u64>) -> bool {
    let parts = [(IMAGE, IMAGE_LEN), (LOCAL, LOCAL_LEN), (RING, RING_LEN)];
    parts.contains(&(range.start, range.end.saturating_sub(range.start)))
}

/// Whether an address is in the agent's code.
#[must_use]
pub const fn contains(ip: u64) -> bool {
    image::contains(ip) || ip >= RAW_SYSCALL && ip < RAW_SYSCALL + RAW_SYSCALL_CODE.len() as u64
}

/// Where a thread is led that has raised a fault at `ip`, in the agent's own looks at the application's memory.
/// `None`: the call is performed, and cannot be given up.
#[must_use]
pub fn recovers(memory: Remote, area: Area, ip: u64) -> Option<u64> {
    let phase = area.phase(memory);
    if !image::contains(ip) {
        None
    } else if phase == Phase::Before as u32 {
        Some(image::recover())
    } else if phase == Phase::Leaves as u32 {
        Some(image::recover_behind())
    } else {
        None
    }
}

/// The registers behind the call that the agent has served and reported, which the thread then
/// leaves.
pub fn leave(memory: Remote, area: Area, at: &Regs) -> io::Result<Regs> {
    let (frame, info) = saved(memory, area)?;
    let mut regs = application(&frame, &info, at);
    regs.rax = frame.rax;
    area.be_idle(memory)?;
    Ok(regs)
}

/// The registers behind the call that the thread has waited in, with this result; it then leaves the agent.
pub fn leave_wait(memory: Remote, area: Area, at: &Regs, result: i64) -> io::Result<Regs> {
    let mut regs = enter_rest(memory, area, at)?;
    regs.rax = result.cast_unsigned();
    Ok(regs)
}

/// In what an instruction in a trampoline has raised, its address becomes the application's. Whether
/// something changed.
pub fn show_address(info: &mut [u8; 128], at: u64, seen: u64) -> bool {
    const SI_ADDR: std::ops::Range<usize> = 16..24;
    let signal = i32::from_le_bytes([info[0], info[1], info[2], info[3]]);
    let of_code = matches!(signal, libc::SIGTRAP | libc::SIGILL | libc::SIGFPE);
    let changes = of_code && at != seen && info[SI_ADDR] == at.to_le_bytes();
    if changes {
        info[SI_ADDR].copy_from_slice(&seen.to_le_bytes());
    }
    changes
}

/// Whether a trap tells of a single step that is none of the application's: one in the agent, or on
/// the way to what stands in a trampoline.
#[must_use]
pub fn is_hidden_step(sites: &Sites, ip: u64, info: &[u8; 128]) -> bool {
    const TRAP_TRACE: i32 = 2;
    let code = i32::from_le_bytes([info[8], info[9], info[10], info[11]]);
    code == TRAP_TRACE && (contains(ip) || sites.has_done_nothing(ip))
}

/// What the agent has to say of a call, where it reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// It is served.
    Served,
    /// So many bytes of it are done, and the rest would wait.
    InPart(u64),
    /// The thread has waited in it, and does not have the CPU, or is to be seen before it goes on.
    Returned,
}

impl Report {
    /// What it says with these registers.
    #[must_use]
    pub fn of(regs: &Regs) -> Self {
        match regs.rdi {
            0 => Self::Served,
            done if done == u64::from(RETURNED) => Self::Returned,
            done => Self::InPart(done),
        }
    }
}

/// The registers at the entry of the call that the agent is in, or has done a part of, which the thread then
/// leaves.
pub fn enter_rest(memory: Remote, area: Area, at: &Regs) -> io::Result<Regs> {
    let (frame, info) = saved(memory, area)?;
    let mut regs = application(&frame, &info, at);
    regs.rax = (-i64::from(libc::ENOSYS)).cast_unsigned();
    regs.orig_rax = frame.rax;
    area.be_idle(memory)?;
    Ok(regs)
}

/// The registers with which the thread makes the call that the agent performs for it, where it is
/// seen; it then leaves the agent.
pub fn make_it_seen(memory: Remote, area: Area, at: &Regs) -> io::Result<Regs> {
    let (frame, info) = saved(memory, area)?;
    let mut regs = application(&frame, &info, at);
    regs.rax = frame.rax;
    regs.rip = info.trap;
    area.be_idle(memory)?;
    Ok(regs)
}

/// The application's registers as the agent has saved them, and what the site says of itself.
fn saved(memory: Remote, area: Area) -> io::Result<(Frame, Info)> {
    const WORDS: usize = size_of::<Frame>() / 8;
    let mut bytes = [0; size_of::<Frame>()];
    memory.read_exact(area.at(offset_of!(Inside, frame)), &mut bytes)?;
    let mut words = [0u64; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut eight = [0; 8];
        eight.copy_from_slice(bytes);
        *word = u64::from_le_bytes(eight);
    }
    let [
        r15,
        r14,
        r13,
        r12,
        rbp,
        rbx,
        r10,
        r9,
        r8,
        rax,
        rdx,
        rsi,
        rdi,
        info,
        flags,
        rsp,
    ] = words;
    let frame = Frame {
        r15,
        r14,
        r13,
        r12,
        rbp,
        rbx,
        r10,
        r9,
        r8,
        rax,
        rdx,
        rsi,
        rdi,
        info,
        flags,
        rsp,
    };
    let word = |index: u64| memory.read_u64(info.wrapping_add(index * 8));
    let info = Info {
        trap: word(0)?,
        done: word(1)?,
        after: word(2)?,
        reserved: 0,
    };
    Ok((frame, info))
}

/// The registers behind the syscall, with everything else as it is at `at`.
const fn application(frame: &Frame, info: &Info, at: &Regs) -> Regs {
    Regs {
        r15: frame.r15,
        r14: frame.r14,
        r13: frame.r13,
        r12: frame.r12,
        rbp: frame.rbp,
        rbx: frame.rbx,
        r11: frame.flags,
        r10: frame.r10,
        r9: frame.r9,
        r8: frame.r8,
        rcx: info.after,
        rdx: frame.rdx,
        rsi: frame.rsi,
        rdi: frame.rdi,
        orig_rax: u64::MAX,
        rip: info.after,
        eflags: frame.flags,
        rsp: frame.rsp,
        ..*at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_made_anew_has_no_result_yet() {
        let behind = RAW_SYSCALL + SYSCALL_BYTES;
        let at = |rip, rcx| Regs {
            rip,
            rcx,
            ..Regs::default()
        };
        let result = |rip, rcx, rax: i64| {
            result_of_call(&Regs {
                rax: rax.cast_unsigned(),
                ..at(rip, rcx)
            })
        };
        assert_eq!(result(behind, behind, 5), 5);
        assert_eq!(result(IMAGE + 100, behind, -4), -4);
        assert_eq!(result(RAW_SYSCALL, behind, 45), MADE_ANEW);
        assert_eq!(result(RAW_SYSCALL, behind, 219), CONTINUED);
        assert_eq!(result(RAW_SYSCALL, 0, 219), MADE_ANEW);
        assert_eq!(result(IMAGE + 100, 0, 5), MADE_ANEW);
    }

    #[test]
    fn reports_differ() {
        let report = |rdi| {
            Report::of(&Regs {
                rdi,
                ..Regs::default()
            })
        };
        assert_eq!(report(0), Report::Served);
        assert_eq!(report(65_536), Report::InPart(65_536));
        assert_eq!(report(RETURNED.into()), Report::Returned);
    }
}
