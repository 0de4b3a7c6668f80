//! Decoding of application code into basic blocks.

use super::insn::{self, Bytes, Decoded, Insn};
use super::prefixes::Prefixes;
use super::source::{PagePolicy, Window};
use super::stepped::{self, INSTRUCTION_BYTES_MAX};
use iced_x86::{Code, FlowControl, Instruction, Mnemonic};

/// Instructions of a block at most. With 15 bytes each a block lies on two pages at most.
const BLOCK_INSNS_MAX: usize = 128;

/// An instruction that the cache does not execute: it is left to the embedder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Special {
    /// `syscall`
    Syscall,
    /// `sysenter`
    Sysenter,
    /// `rdtsc`
    Rdtsc,
    /// `rdtscp`
    Rdtscp,
    /// `rdrand`
    Rdrand,
    /// `rdseed`
    Rdseed,
    /// `rdpid`
    Rdpid,
    /// `cpuid`
    Cpuid,
    /// `xgetbv`
    Xgetbv,
    /// `int3`
    Int3,
    /// `hlt`
    Hlt,
    /// `ud0`, `ud1`, `ud2`, or nothing that the decoder knows. Executed at its own address it raises
    /// what it raises natively.
    Illegal,
    /// The instruction cannot be read whole: fetching it faults.
    Unreadable,
    /// Any other that is not translated: far branches, software interrupts, returns from interrupts,
    /// privileged instructions, transactions, branches with an operand-size prefix (whose meaning
    /// depends on the processor), anything on a page with [`PagePolicy::Stepped`]. The embedder executes
    /// it natively, by a single step at its own address, and counts with [`step`](super::step).
    NotTranslated,
}

/// How a conditional branch decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// By flags: the low half of a `jcc` opcode.
    Flags(u8),
    /// By `rcx` (or `ecx`): a `loop` or `jrcxz` opcode, which reaches 127 bytes only.
    Rcx {
        /// E0 to E3.
        opcode: u8,
        /// By `ecx`.
        short_address: bool,
    },
}

/// What ends a block.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// A conditional branch at `at`.
    Branch {
        at: u64,
        condition: Condition,
        taken: u64,
    },
    /// A jump.
    Jump { at: u64, target: u64 },
    /// A call; it returns to the block's end.
    Call { at: u64, target: u64 },
    /// A jump to where the instruction loads `rdx` from.
    JumpTo { load: Box<Insn> },
    /// A call of it.
    CallTo { load: Box<Insn> },
    /// A return that takes so many bytes more off the stack.
    Return { at: u64, extra: u16 },
    /// An instruction for the embedder.
    Leave { at: u64, len: u8, special: Special },
    /// The block is long enough, or has come to its limit; what follows is another.
    Continue,
}

/// A basic block.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// Address of its first instruction.
    pub(super) start: u64,
    /// The first address that is no more part of it.
    pub(super) end: u64,
    /// What is copied.
    pub(super) insns: Vec<Insn>,
    /// What ends it.
    pub(super) last: End,
    /// The bytes that are compared before it is executed.
    pub(super) verified: Option<Box<[u8]>>,
}

/// Decodes the block at an address. An instruction that begins at `limit` or behind it is part of another,
/// even if nothing ends this one before.
pub(super) fn decode(window: &mut Window<'_>, start: u64, limit: Option<u64>) -> Block {
    let mut insns = Vec::with_capacity(8);
    let mut at = start;
    let mut verifies = false;
    let (end, last) = loop {
        let is_over = at != start && limit.is_some_and(|limit| at >= limit);
        if is_over || insns.len() == BLOCK_INSNS_MAX {
            break (at, End::Continue);
        }
        let next = next(window, at);
        let behind = match &next {
            Next::Copy(insn) => insn.decoded.next_ip(),
            Next::End(_, end) => *end,
        };
        let here = is_verified(window, at, behind);
        if at == start {
            verifies = here;
        } else if verifies != here {
            break (at, End::Continue);
        }
        match next {
            Next::Copy(insn) => {
                at = behind;
                // What comes next may have become another.
                let is_last = verifies && insn.writes_memory();
                insns.push(insn);
                if is_last {
                    break (at, End::Continue);
                }
            }
            Next::End(last, end) => break (end, last),
        }
    };
    Block {
        start,
        end,
        insns,
        last,
        verified: verifies.then(|| window.memory(start, end)),
    }
}

/// Whether an instruction can change without anybody saying so.
fn is_verified(window: &Window<'_>, at: u64, end: u64) -> bool {
    let last = end.wrapping_sub(1).max(at);
    window.policy(at) == PagePolicy::Verified || window.policy(last) == PagePolicy::Verified
}

#[allow(clippy::large_enum_variant, reason = "it is taken apart at once")]
enum Next {
    Copy(Insn),
    /// And the address behind it.
    End(End, u64),
}

fn next(window: &mut Window<'_>, at: u64) -> Next {
    let leave = |len: u8, special| {
        // Where the length is not known, it depends on all the bytes that it may have.
        let extent = if len == 0 {
            INSTRUCTION_BYTES_MAX
        } else {
            len.into()
        };
        let end = at.saturating_add(extent as u64);
        Next::End(End::Leave { at, len, special }, end)
    };
    if window.policy(at) == PagePolicy::Stepped {
        return leave(0, Special::NotTranslated);
    }
    let (decoded, bytes) = match insn::decode(window.at(at), at) {
        Decoded::Insn(decoded, bytes) => (decoded, bytes),
        Decoded::Incomplete => return leave(0, Special::Unreadable),
        Decoded::Invalid => return leave(0, Special::Illegal),
    };
    let Ok(len) = u8::try_from(decoded.len()) else {
        return leave(0, Special::Illegal);
    };
    let last_byte = decoded.next_ip().wrapping_sub(1);
    // The address space ends here, and with it what adding to an address means.
    if last_byte < at || window.policy(last_byte) == PagePolicy::Stepped {
        return leave(len, Special::NotTranslated);
    }
    if let Some(special) = special(&decoded) {
        return leave(len, special);
    }
    if decoded.flow_control() == FlowControl::Next {
        return match Insn::new(decoded, bytes, &window.cache) {
            Some(insn) => Next::Copy(insn),
            None => leave(len, Special::NotTranslated),
        };
    }
    match branch(&decoded, &bytes) {
        Some(end) => Next::End(end, decoded.next_ip()),
        None => leave(len, Special::NotTranslated),
    }
}

/// Instructions that leave the cache.
fn special(decoded: &Instruction) -> Option<Special> {
    let special = match decoded.mnemonic() {
        Mnemonic::Syscall => Special::Syscall,
        Mnemonic::Sysenter => Special::Sysenter,
        Mnemonic::Rdtsc => Special::Rdtsc,
        Mnemonic::Rdtscp => Special::Rdtscp,
        Mnemonic::Rdrand => Special::Rdrand,
        Mnemonic::Rdseed => Special::Rdseed,
        Mnemonic::Rdpid => Special::Rdpid,
        Mnemonic::Cpuid => Special::Cpuid,
        Mnemonic::Xgetbv => Special::Xgetbv,
        Mnemonic::Int3 => Special::Int3,
        Mnemonic::Hlt => Special::Hlt,
        Mnemonic::Ud0 | Mnemonic::Ud1 | Mnemonic::Ud2 => Special::Illegal,
        // What they do depends on time, on a hypervisor, or on who asks.
        Mnemonic::Rdpmc
        | Mnemonic::Rdpru
        | Mnemonic::Vmcall
        | Mnemonic::Vmmcall
        | Mnemonic::Vmfunc
        | Mnemonic::Enclu
        | Mnemonic::Enclv
        | Mnemonic::Encls
        | Mnemonic::Senduipi
        | Mnemonic::Umwait
        | Mnemonic::Tpause
        | Mnemonic::Monitorx
        | Mnemonic::Mwaitx
        | Mnemonic::Xtest
        | Mnemonic::Getsec => Special::NotTranslated,
        _ if decoded.is_privileged() => Special::NotTranslated,
        _ => return None,
    };
    Some(special)
}

/// A branch that is translated.
fn branch(decoded: &Instruction, bytes: &Bytes) -> Option<End> {
    if !Prefixes::of(bytes.as_slice()).branch_is_plain() {
        return None;
    }
    let at = decoded.ip();
    if stepped::is_counted(decoded) {
        let condition = condition(decoded, bytes)?;
        let taken = decoded.near_branch_target();
        return Some(End::Branch {
            at,
            condition,
            taken,
        });
    }
    let end = match decoded.code() {
        Code::Jmp_rel8_64 | Code::Jmp_rel32_64 => End::Jump {
            at,
            target: decoded.near_branch_target(),
        },
        Code::Call_rel32_64 => End::Call {
            at,
            target: decoded.near_branch_target(),
        },
        Code::Retnq => End::Return { at, extra: 0 },
        Code::Retnq_imm16 => End::Return {
            at,
            extra: decoded.immediate16(),
        },
        Code::Jmp_rm64 => End::JumpTo {
            load: Box::new(Insn::load_target(decoded, bytes)?),
        },
        Code::Call_rm64 => End::CallTo {
            load: Box::new(Insn::load_target(decoded, bytes)?),
        },
        _ => return None,
    };
    Some(end)
}

fn condition(decoded: &Instruction, bytes: &Bytes) -> Option<Condition> {
    let code = bytes.as_slice();
    let prefixes = Prefixes::of(code);
    let opcode = *code.get(prefixes.opcode_at)?;
    if decoded.is_jcc_short() && matches!(opcode, 0x70..=0x7f) {
        return Some(Condition::Flags(opcode & 0x0f));
    }
    if decoded.is_jcc_near() && opcode == 0x0f {
        let second = *code.get(prefixes.opcode_at + 1)?;
        return matches!(second, 0x80..=0x8f).then_some(Condition::Flags(second & 0x0f));
    }
    let by_rcx = decoded.is_jcx_short() || decoded.is_loop() || decoded.is_loopcc();
    (by_rcx && matches!(opcode, 0xe0..=0xe3)).then_some(Condition::Rcx {
        opcode,
        short_address: prefixes.address_size,
    })
}
