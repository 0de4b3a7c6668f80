//! Copies of single instructions that do at another address what they do at their own. Every
//! byte stays what it is except for displacements, so the copy is as exact as can be; what
//! else an instruction could make of its address makes it unfit.

use super::{Reason, Site};
use crate::insn::INSTRUCTION_BYTES_MAX;
use iced_x86::{
    Code, ConstantOffsets, Decoder, DecoderError, DecoderOptions, FlowControl, Instruction,
    Mnemonic, Register,
};

/// Bytes of a displacement.
const DISPLACEMENT_BYTES: usize = 4;

/// An instruction that can be copied.
#[derive(Debug, Clone)]
pub(super) struct Movable {
    address: u64,
    bytes: Vec<u8>,
    refers: Refers,
    code: Code,
    flow: FlowControl,
}

/// How it depends on where it stands.
#[derive(Debug, Clone, Copy)]
enum Refers {
    Nowhere,
    /// By the displacement at an offset.
    Memory {
        offset: usize,
        address: u64,
    },
    Jump {
        target: u64,
    },
    /// The condition is the low half of the opcode.
    Branch {
        condition: u8,
        target: u64,
    },
}

/// The instruction at an address, if it can be copied.
pub(super) fn movable(site: &Site<'_>, address: u64) -> Result<Movable, Reason> {
    let code = site.from(address).ok_or(Reason::Unreadable)?;
    let code = &code[..code.len().min(INSTRUCTION_BYTES_MAX)];
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let instruction = decoder.decode();
    if decoder.last_error() == DecoderError::NoMoreBytes {
        return Err(Reason::Unreadable);
    }
    let offsets = decoder.get_constant_offsets(&instruction);
    let bytes = &code[..decoder.position()];
    let refers = refers(&instruction, bytes, &offsets).ok_or(Reason::NotMovable(address))?;
    Ok(Movable {
        address,
        bytes: bytes.to_vec(),
        refers,
        code: instruction.code(),
        flow: instruction.flow_control(),
    })
}

/// None: it is not certain to do the same elsewhere.
fn refers(instruction: &Instruction, bytes: &[u8], offsets: &ConstantOffsets) -> Option<Refers> {
    if instruction.is_invalid() || instruction.is_privileged() || is_peculiar(instruction) {
        return None;
    }
    let code = instruction.code();
    match instruction.flow_control() {
        FlowControl::Next => {}
        FlowControl::Return if matches!(code, Code::Retnq | Code::Retnq_imm16) => {}
        FlowControl::IndirectBranch if matches!(code, Code::Jmp_rm64) => {}
        FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
            return jump(instruction, bytes);
        }
        _ => return None,
    }
    if !instruction.is_ip_rel_memory_operand() {
        return Some(Refers::Nowhere);
    }
    let is_whole = instruction.memory_base() == Register::RIP
        && offsets.displacement_size() == DISPLACEMENT_BYTES;
    is_whole.then(|| Refers::Memory {
        offset: offsets.displacement_offset(),
        address: instruction.ip_rel_memory_address(),
    })
}

/// Jumps without any prefix: what some of these mean depends on the processor.
fn jump(instruction: &Instruction, bytes: &[u8]) -> Option<Refers> {
    let target = instruction.near_branch_target();
    match *bytes {
        [0xeb, _] | [0xe9, _, _, _, _] => Some(Refers::Jump { target }),
        [opcode @ 0x70..=0x7f, _] | [0x0f, opcode @ 0x80..=0x8f, _, _, _, _] => {
            Some(Refers::Branch {
                condition: opcode & 0x0f,
                target,
            })
        }
        _ => None,
    }
}

/// Whether somebody could know the instruction by its address: the supervisor, which emulates
/// some, or a hypervisor.
fn is_peculiar(instruction: &Instruction) -> bool {
    matches!(
        instruction.mnemonic(),
        Mnemonic::Cpuid
            | Mnemonic::Rdtsc
            | Mnemonic::Rdtscp
            | Mnemonic::Rdrand
            | Mnemonic::Rdseed
            | Mnemonic::Rdpid
            | Mnemonic::Rdpmc
            | Mnemonic::Enclu
            | Mnemonic::Vmfunc
            | Mnemonic::Senduipi
    )
}

impl Movable {
    /// Where it stands.
    pub(super) fn address(&self) -> u64 {
        self.address
    }

    /// Where the one behind it stands.
    pub(super) fn next(&self) -> u64 {
        self.address + self.bytes.len() as u64
    }

    /// Whether it may go on elsewhere than behind itself.
    pub(super) fn transfers(&self) -> bool {
        self.flow != FlowControl::Next
    }

    /// Whether it never goes on behind itself.
    pub(super) fn ends(&self) -> bool {
        self.transfers() && self.flow != FlowControl::ConditionalBranch
    }

    /// Whether it does nothing.
    pub(super) fn fills(&self) -> bool {
        matches!(self.code.mnemonic(), Mnemonic::Nop)
    }

    /// The number that it loads into `eax`, with bits 32 to 63 of `rax` zero.
    pub(super) fn loads_eax(&self) -> Option<u32> {
        match *self.bytes.as_slice() {
            [0xb8, a, b, c, d] => Some(u32::from_le_bytes([a, b, c, d])),
            [0x48, 0xc7, 0xc0, a, b, c, d @ 0..=0x7f] => Some(u32::from_le_bytes([a, b, c, d])),
            _ => None,
        }
    }

    /// Where it jumps, if the code says so.
    pub(super) fn jumps_to(&self) -> Option<u64> {
        match self.refers {
            Refers::Jump { target } | Refers::Branch { target, .. } => Some(target),
            Refers::Nowhere | Refers::Memory { .. } => None,
        }
    }

    /// What must be within reach.
    pub(super) fn reaches_for(&self) -> Option<u64> {
        match self.refers {
            Refers::Memory { address, .. } => Some(address),
            _ => self.jumps_to(),
        }
    }

    /// Bytes of its copy.
    pub(super) fn copy_len(&self) -> usize {
        match self.refers {
            Refers::Nowhere | Refers::Memory { .. } => self.bytes.len(),
            Refers::Jump { .. } => 1 + DISPLACEMENT_BYTES,
            Refers::Branch { .. } => 2 + DISPLACEMENT_BYTES,
        }
    }

    /// Its copy for an address; none where that is too far from what it refers to.
    pub(super) fn copy(&self, at: u64) -> Option<Vec<u8>> {
        let end = at.checked_add(self.copy_len() as u64)?;
        let (mut copy, offset, target) = match self.refers {
            Refers::Nowhere => return Some(self.bytes.clone()),
            Refers::Memory { offset, address } => (self.bytes.clone(), offset, address),
            Refers::Jump { target } => (vec![0xe9, 0, 0, 0, 0], 1, target),
            Refers::Branch { condition, target } => {
                (vec![0x0f, 0x80 | condition, 0, 0, 0, 0], 2, target)
            }
        };
        let displacement = displacement(end, target)?;
        copy.get_mut(offset..offset + DISPLACEMENT_BYTES)?
            .copy_from_slice(&displacement);
        Some(copy)
    }
}

/// What leads from the end of an instruction to a target.
pub(super) fn displacement(end: u64, target: u64) -> Option<[u8; DISPLACEMENT_BYTES]> {
    let difference = target.wrapping_sub(end).cast_signed();
    Some(i32::try_from(difference).ok()?.to_le_bytes())
}
