//! Proves where the instruction in front of a `syscall` begins: bytes before it can look like
//! any instruction and be the end of a longer one, or data. What the processor can get to from
//! the start of the function, by falling through and by direct jumps, is instructions; a call
//! is taken to return.

use super::{Draft, Reason, SYSCALL_BYTES, Site};
use crate::insn::INSTRUCTION_BYTES_MAX;
use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, OpKind};

/// A longer function is not looked at, in bytes.
pub(super) const FUNCTION_BYTES_MAX: usize = 64 << 10;
/// Prefixes that a legacy instruction can begin with, except REX.
const PREFIXES: [u8; 11] = [
    0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3,
];
const OPERAND_SIZE: u8 = 0x66;

/// The instructions of a function that control flow gets to.
pub(super) struct Walk {
    /// Address of the function.
    start: u64,
    /// For each of its bytes, the length of the instruction that begins there, or [`NONE`], or
    /// [`ENTERED`].
    lengths: Vec<u8>,
}

/// No instruction that is gotten to begins there.
const NONE: u8 = 0;
/// Control flow gets there, to no instruction that is known.
const ENTERED: u8 = u8::MAX;

/// Follows the control flow in the function of a site.
pub(super) fn walk(site: &Site<'_>) -> Result<Walk, Reason> {
    let function = site.function.clone().ok_or(Reason::FunctionUnknown)?;
    let needed = function.start..site.behind();
    if !function.contains(&site.address) || function.end < needed.end {
        return Err(Reason::NotArrivedAt);
    }
    let len = usize::try_from(function.end - function.start).unwrap_or(usize::MAX);
    if len > FUNCTION_BYTES_MAX {
        return Err(Reason::FunctionTooLong);
    }
    let code = site.from(function.start).unwrap_or_default();
    let code = code.get(..len).ok_or(Reason::FunctionUnreadable)?;
    let mut walk = Walk {
        start: function.start,
        lengths: vec![NONE; len],
    };
    let mut ahead = vec![function.start];
    while let Some(from) = ahead.pop() {
        walk.follow(code, from, &mut ahead);
    }
    Ok(walk)
}

impl Walk {
    fn length(&self, address: u64) -> Option<u8> {
        let offset = usize::try_from(address.checked_sub(self.start)?).ok()?;
        self.lengths.get(offset).copied()
    }

    /// Follows one path to its end, or to where another one was before; the jumps that it
    /// meets lead to what is `ahead`.
    fn follow(&mut self, code: &[u8], from: u64, ahead: &mut Vec<u64>) {
        let Some(mut at) = from
            .checked_sub(self.start)
            .and_then(|at| usize::try_from(at).ok())
        else {
            return;
        };
        let start = code.get(at..).unwrap_or_default();
        let mut decoder = Decoder::with_ip(64, start, from, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        while let Some(length) = self.lengths.get_mut(at).filter(|length| **length == NONE) {
            *length = ENTERED;
            let rest = code.get(at..).unwrap_or_default();
            decoder.decode_out(&mut instruction);
            let bytes = rest.get(..instruction.len()).unwrap_or_default();
            if instruction.is_invalid() || is_ambiguous(&instruction, bytes) {
                return;
            }
            *length = u8::try_from(bytes.len()).unwrap_or(ENTERED);
            if is_branch(&instruction) {
                ahead.push(instruction.near_branch_target());
            }
            if never_goes_on(&instruction) {
                return;
            }
            at += bytes.len();
        }
    }

    /// Address of the instruction in front of the site.
    pub(super) fn before(&self, site: &Site<'_>) -> Result<u64, Reason> {
        if self.length(site.address).map(u64::from) != Some(SYSCALL_BYTES) {
            return Err(Reason::NotArrivedAt);
        }
        let ends_there = |address: &u64| {
            self.length(*address)
                .is_some_and(|length| address + u64::from(length) == site.address)
        };
        let nearby = site.address.saturating_sub(INSTRUCTION_BYTES_MAX as u64)..site.address;
        nearby
            .into_iter()
            .find(ends_there)
            .ok_or(Reason::NothingBefore)
    }

    /// Refuses what control flow gets into the midst of.
    pub(super) fn not_entered(&self, draft: &Draft) -> Result<(), Reason> {
        let gotten_to = |address: &u64| self.length(*address).is_some_and(|length| length != NONE);
        let entered = (draft.patch_at + 1..draft.end())
            .filter(gotten_to)
            .find(|address| !draft.traps.contains(address));
        entered.map_or(Ok(()), |address| Err(Reason::Entered(address)))
    }
}

fn is_branch(instruction: &Instruction) -> bool {
    matches!(
        instruction.op0_kind(),
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
    )
}

/// Whether what stands behind an instruction may be anything: so it may behind the `ud2` that
/// stands for an RDRAND.
fn never_goes_on(instruction: &Instruction) -> bool {
    match instruction.flow_control() {
        FlowControl::UnconditionalBranch
        | FlowControl::IndirectBranch
        | FlowControl::Return
        | FlowControl::Exception => true,
        _ => matches!(instruction.code(), Code::Hlt | Code::Int3),
    }
}

/// Whether processors disagree on the length: with an operand size prefix, a relative jump or
/// call has four bytes of displacement for some, two for others.
fn is_ambiguous(instruction: &Instruction, bytes: &[u8]) -> bool {
    let prefixes = bytes.iter().take_while(|byte| PREFIXES.contains(byte));
    let count = prefixes.clone().count();
    let is_wide = bytes.get(count).is_some_and(|rex| rex & 0xf8 == 0x48);
    is_branch(instruction) && !is_wide && prefixes.copied().any(|byte| byte == OPERAND_SIZE)
}
