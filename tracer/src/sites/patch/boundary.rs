//! Proves where the instruction in front of a `syscall` begins: bytes before it can look like
//! any instruction and be the end of a longer one. Only a disassembly from the start of the
//! function tells.

use super::{Draft, Reason, SYSCALL_BYTES, Site};
use crate::insn;
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, OpKind};

/// A site further from the start of its function than this is not looked at, in bytes.
pub(super) const FUNCTION_BYTES_MAX: usize = 64 << 10;
/// Prefixes that a legacy instruction can begin with, except REX.
const PREFIXES: [u8; 11] = [
    0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3,
];
const OPERAND_SIZE: u8 = 0x66;

/// What a disassembly of the function, up to and with the `syscall`, met.
pub(super) struct Walk {
    /// Address of the instruction in front of it.
    previous: Option<u64>,
    /// Where direct jumps and calls lead, near the site.
    targets: Vec<u64>,
}

/// Disassembles the function of a site.
pub(super) fn walk(site: &Site<'_>) -> Result<Walk, Reason> {
    let start = site.function.ok_or(Reason::FunctionUnknown)?;
    let len = site
        .address
        .checked_sub(start)
        .ok_or(Reason::NotArrivedAt)?;
    let len = usize::try_from(len + SYSCALL_BYTES).unwrap_or(usize::MAX);
    if len > FUNCTION_BYTES_MAX {
        return Err(Reason::FunctionTooLong);
    }
    let code = site
        .from(start)
        .and_then(|code| code.get(..len))
        .ok_or(Reason::FunctionUnreadable)?;
    let mut walk = Walk {
        previous: None,
        targets: Vec::new(),
    };
    let mut decoder = Decoder::with_ip(64, code, start, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut from = 0;
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        let bytes = &code[from..decoder.position()];
        // Behind the `ud2` that stands for one of those, there are bytes that are no instruction.
        let stands_for_other = insn::decode_patched(&code[from..], 0).is_some();
        if instruction.is_invalid() || stands_for_other || is_ambiguous(&instruction, bytes) {
            return Err(Reason::NotArrivedAt);
        }
        if is_branch(&instruction) {
            walk.targets.push(instruction.near_branch_target());
        }
        if instruction.ip() == site.address && instruction.code() == Code::Syscall {
            return Ok(walk);
        }
        walk.previous = Some(instruction.ip());
        from = decoder.position();
    }
    Err(Reason::NotArrivedAt)
}

fn is_branch(instruction: &Instruction) -> bool {
    matches!(
        instruction.op0_kind(),
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
    )
}

/// Whether processors disagree on the length: with an operand size prefix, a relative jump or
/// call has four bytes of displacement for some, two for others.
fn is_ambiguous(instruction: &Instruction, bytes: &[u8]) -> bool {
    let prefixes = bytes.iter().take_while(|byte| PREFIXES.contains(byte));
    let count = prefixes.clone().count();
    let is_wide = bytes.get(count).is_some_and(|rex| rex & 0xf8 == 0x48);
    is_branch(instruction) && !is_wide && prefixes.copied().any(|byte| byte == OPERAND_SIZE)
}

impl Walk {
    /// Address of the instruction in front of the site.
    pub(super) fn before(&self) -> Result<u64, Reason> {
        self.previous.ok_or(Reason::NothingBefore)
    }

    /// Refuses what is jumped into.
    pub(super) fn not_entered(&self, draft: &Draft) -> Result<(), Reason> {
        let replaced = draft.patch_at + 1..draft.end();
        let entered = self
            .targets
            .iter()
            .find(|target| replaced.contains(target) && !draft.traps.contains(target));
        match entered {
            Some(target) => Err(Reason::Entered(*target)),
            None => Ok(()),
        }
    }
}
