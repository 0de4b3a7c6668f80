//! A thread inside the agent: where it stands, and how it is brought out of it.

use super::image;
use super::sites::Sites;
use crate::sys::mem::Remote;
use agent::layout::{
    END, EXIT_NR, EXIT_STOP, EXIT_SYSCALL, FRAME, Frame, IMAGE, IMAGE_LEN, Info, LOCAL, LOCAL_LEN,
    PHASE, Phase, RAW_SYSCALL, RAW_SYSCALL_CODE, RING, RING_LEN,
};
use pmu::Regs;
use std::io;
use std::ops::Range;

/// Bytes of a `syscall` instruction.
pub const SYSCALL_BYTES: u64 = 2;

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

/// How far the agent is with a call: see [`Phase`].
#[must_use]
pub fn phase(memory: Remote) -> u32 {
    memory.read_u32(PHASE).unwrap_or(Phase::Idle as u32)
}

/// Whether a fault at `ip` is one that [`image::recover`] is for: the agent has not performed the
/// call yet.
#[must_use]
pub fn recovers(memory: Remote, ip: u64) -> bool {
    image::contains(ip) && phase(memory) == Phase::Before as u32
}

/// The registers behind the call that the agent has served and reported, which the thread then
/// leaves.
pub fn leave(memory: Remote, at: &Regs) -> io::Result<Regs> {
    let (frame, info) = saved(memory)?;
    let mut regs = application(&frame, &info, at);
    regs.rax = frame.rax;
    be_idle(memory)?;
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

/// How many bytes of the call that the agent reports are done, if the rest would wait.
#[must_use]
pub const fn done_in_part(regs: &Regs) -> u64 {
    regs.rdi
}

/// The number of the call that the agent is in.
pub fn number(memory: Remote) -> io::Result<u64> {
    memory.read_u64(FRAME + core::mem::offset_of!(Frame, rax) as u64)
}

/// The registers at the entry of the call that the agent is in, or has done a part of, which the thread then
/// leaves.
pub fn enter_rest(memory: Remote, at: &Regs) -> io::Result<Regs> {
    let (frame, info) = saved(memory)?;
    let mut regs = application(&frame, &info, at);
    regs.rax = (-i64::from(libc::ENOSYS)).cast_unsigned();
    regs.orig_rax = frame.rax;
    be_idle(memory)?;
    Ok(regs)
}

/// The registers with which the thread makes the call that the agent performs for it, where it is
/// seen; it then leaves the agent.
pub fn make_it_seen(memory: Remote, at: &Regs) -> io::Result<Regs> {
    let (frame, info) = saved(memory)?;
    let mut regs = application(&frame, &info, at);
    regs.rax = frame.rax;
    regs.rip = info.trap;
    be_idle(memory)?;
    Ok(regs)
}

/// In no call, and not to report.
fn be_idle(memory: Remote) -> io::Result<()> {
    const _: () = assert!(EXIT_STOP == PHASE + 4);
    memory.write(PHASE, &[0; 8])
}

/// The application's registers as the agent has saved them, and what the site says of itself.
fn saved(memory: Remote) -> io::Result<(Frame, Info)> {
    const WORDS: usize = size_of::<Frame>() / 8;
    let mut bytes = [0; size_of::<Frame>()];
    memory.read_exact(FRAME, &mut bytes)?;
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
