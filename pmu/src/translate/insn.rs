//! One decoded instruction, and how it is moved to another address.
//!
//! Every byte stays what it is except for what refers to the instruction's own address, so that the copy
//! does what the original does, whatever that is.

use super::gpr::Gpr;
use super::prefixes::Prefixes;
use super::stepped::INSTRUCTION_BYTES_MAX;
use iced_x86::{
    Decoder, DecoderError, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    Register,
};
use std::ops::Range;

/// Bytes of a displacement relative to the instruction pointer.
const DISPLACEMENT_BYTES: usize = 4;

/// The bytes of one instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes {
    bytes: [u8; INSTRUCTION_BYTES_MAX],
    len: u8,
}

impl Bytes {
    /// None if it is longer than an instruction can be.
    pub(super) fn new(from: &[u8]) -> Option<Self> {
        let mut bytes = [0; INSTRUCTION_BYTES_MAX];
        bytes.get_mut(..from.len())?.copy_from_slice(from);
        let len = u8::try_from(from.len()).ok()?;
        Some(Self { bytes, len })
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..usize::from(self.len)]
    }
}

/// A memory operand relative to the instruction pointer.
#[derive(Debug, Clone, Copy)]
pub(super) struct IpRelative {
    /// What it refers to.
    address: u64,
    /// Where the displacement is, if it can be changed to reach the same from elsewhere.
    displacement_at: Option<usize>,
    /// If that may not be enough: the instruction with the operand `[register]` instead.
    absolute: Option<(Bytes, Gpr)>,
}

/// An instruction that is copied.
#[derive(Debug, Clone)]
pub(super) struct Insn {
    /// Its address in the application.
    pub(super) at: u64,
    /// What it is.
    pub(super) decoded: Instruction,
    bytes: Bytes,
    ip_relative: Option<IpRelative>,
}

/// An instruction at its new address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// These bytes do it.
    Same(Bytes),
    /// `lea` becomes a load of a constant.
    Constant {
        /// Where to.
        register: Register,
        /// What.
        value: u64,
    },
    /// These bytes do it while `scratch` holds `address`.
    Through {
        /// The instruction.
        bytes: Bytes,
        /// A register that the instruction neither reads nor writes.
        scratch: Gpr,
        /// What it has to hold.
        address: u64,
    },
}

/// What is at an address.
pub(super) enum Decoded {
    /// An instruction of so many bytes.
    Insn(Instruction, Bytes),
    /// The bytes end before the instruction does.
    Incomplete,
    /// No instruction.
    Invalid,
}

/// Decodes the instruction at the start of `code`, which stands at `at`.
pub(super) fn decode(code: &[u8], at: u64) -> Decoded {
    let mut decoder = Decoder::with_ip(64, code, at, DecoderOptions::NONE);
    let decoded = decoder.decode();
    if !decoded.is_invalid() {
        let whole = code.get(..decoder.position()).and_then(Bytes::new);
        return whole.map_or(Decoded::Invalid, |bytes| Decoded::Insn(decoded, bytes));
    }
    if decoder.last_error() == DecoderError::NoMoreBytes && code.len() < INSTRUCTION_BYTES_MAX {
        return Decoded::Incomplete;
    }
    Decoded::Invalid
}

impl Insn {
    /// Prepares an instruction to be moved into the cache. None if that is not certain to be possible.
    pub(super) fn new(decoded: Instruction, bytes: Bytes, cache: &Range<u64>) -> Option<Self> {
        let ip_relative = match decoded.is_ip_rel_memory_operand() {
            false => None,
            true if reaches(&decoded, cache) => Some(ip_relative(&decoded, &bytes, None)?),
            true => {
                let scratch = free_register(&decoded)?;
                Some(ip_relative(&decoded, &bytes, Some(scratch))?)
            }
        };
        Some(Self {
            at: decoded.ip(),
            decoded,
            bytes,
            ip_relative,
        })
    }

    /// Whether it may write to memory, the stack included.
    pub(super) fn writes_memory(&self) -> bool {
        let mut factory = InstructionInfoFactory::new();
        let used = factory.info(&self.decoded).used_memory();
        // What the decoder does not know of is many things at once: saved states, for one.
        let is_state = self.decoded.is_save_restore_instruction();
        is_state || used.iter().any(|memory| !only_reads(memory.access()))
    }

    /// `mov rdx, operand` for the operand of `jmp operand` or `call operand` (opcode FF). It may use
    /// `rdx` for the address, since that is overwritten in any case.
    pub(super) fn load_target(branch: &Instruction, bytes: &Bytes) -> Option<Self> {
        let old = bytes.as_slice();
        let prefixes = Prefixes::of(old);
        let (opcode, operand) = old.get(prefixes.opcode_at..)?.split_first()?;
        let (modrm, rest) = operand.split_first()?;
        if *opcode != 0xff {
            return None;
        }
        let mut new = Vec::with_capacity(INSTRUCTION_BYTES_MAX);
        new.extend(prefixes.segment);
        new.extend(prefixes.address_size.then_some(0x67));
        new.push(0x48 | prefixes.rex.unwrap_or(0) & 3);
        new.push(0x8b);
        new.push(modrm & !0x38 | Gpr::RDX.low() << 3);
        new.extend(rest);
        // Decoded where it ends at the same address, an operand relative to that stays the same.
        let at = branch.next_ip().wrapping_sub(new.len() as u64);
        let Decoded::Insn(decoded, bytes) = decode(&new, at) else {
            return None;
        };
        let same = decoded.mnemonic() == Mnemonic::Mov
            && decoded.op0_register() == Register::RDX
            && decoded.len() == new.len()
            && decoded.op1_kind() == branch.op0_kind()
            && decoded.op1_register() == branch.op0_register()
            && same_memory(&decoded, branch);
        if !same {
            return None;
        }
        let ip_relative = match decoded.is_ip_rel_memory_operand() {
            false => None,
            true => Some(ip_relative(&decoded, &bytes, Some(Gpr::RDX))?),
        };
        Some(Self {
            at: branch.ip(),
            decoded,
            bytes,
            ip_relative,
        })
    }

    /// The copy for address `to`; none outside of the cache it was prepared for.
    pub(super) fn moved(&self, to: u64) -> Option<Moved> {
        let Some(operand) = &self.ip_relative else {
            return Some(Moved::Same(self.bytes));
        };
        if let Some(bytes) = self.displaced(operand, to) {
            return Some(Moved::Same(bytes));
        }
        if self.decoded.mnemonic() == Mnemonic::Lea {
            return Some(Moved::Constant {
                register: self.decoded.op0_register(),
                value: operand.address,
            });
        }
        let (bytes, scratch) = operand.absolute?;
        Some(Moved::Through {
            bytes,
            scratch,
            address: operand.address,
        })
    }

    /// With another displacement, if that reaches.
    fn displaced(&self, operand: &IpRelative, to: u64) -> Option<Bytes> {
        let at = operand.displacement_at?;
        let mut bytes = self.bytes;
        let end = to.wrapping_add(u64::from(bytes.len));
        let displacement = displacement(end, operand.address)?;
        bytes
            .as_mut()
            .get_mut(at..at + DISPLACEMENT_BYTES)?
            .copy_from_slice(&displacement);
        Some(bytes)
    }
}

/// The displacement from the end of an instruction to a target; none if it is too far.
pub(super) fn displacement(end: u64, target: u64) -> Option<[u8; DISPLACEMENT_BYTES]> {
    let distance = target.wrapping_sub(end).cast_signed();
    i32::try_from(distance).ok().map(i32::to_le_bytes)
}

const fn only_reads(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::None | OpAccess::NoMemAccess | OpAccess::Read | OpAccess::CondRead
    )
}

/// A register that an instruction does not use at all, not even implicitly, and that needs no prefix
/// bit as a base.
fn free_register(decoded: &Instruction) -> Option<Gpr> {
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(decoded);
    let used: Vec<Gpr> = info
        .used_registers()
        .iter()
        .filter_map(|used| Gpr::of(used.register()))
        .collect();
    [Gpr::RCX, Gpr::RDX, Gpr::RAX, Gpr::RSI, Gpr::RDI, Gpr::RBX]
        .into_iter()
        .find(|candidate| !used.contains(candidate))
}

/// Whether an operand can be reached from everywhere in the cache by another displacement.
fn reaches(decoded: &Instruction, cache: &Range<u64>) -> bool {
    let address = decoded.ip_rel_memory_address();
    let from = |end: u64| displacement(end, address).is_some();
    decoded.memory_base() == Register::RIP && from(cache.start) && from(cache.end)
}

fn ip_relative(decoded: &Instruction, bytes: &Bytes, scratch: Option<Gpr>) -> Option<IpRelative> {
    let code = bytes.as_slice();
    let mut decoder = Decoder::with_ip(64, code, decoded.ip(), DecoderOptions::NONE);
    let again = decoder.decode();
    let offsets = decoder.get_constant_offsets(&again);
    if offsets.displacement_size() != DISPLACEMENT_BYTES {
        return None;
    }
    let at = offsets.displacement_offset();
    let absolute = match scratch {
        None => None,
        Some(scratch) => Some((absolute(decoded, code, at, scratch)?, scratch)),
    };
    Some(IpRelative {
        address: decoded.ip_rel_memory_address(),
        displacement_at: (decoded.memory_base() == Register::RIP).then_some(at),
        absolute,
    })
}

/// The instruction with `[scratch]` as its operand: without the displacement, and checked by decoding.
fn absolute(
    decoded: &Instruction,
    code: &[u8],
    displacement_at: usize,
    scratch: Gpr,
) -> Option<Bytes> {
    let modrm_at = displacement_at.checked_sub(1)?;
    let mut new = code.get(..displacement_at)?.to_vec();
    new.extend(code.get(displacement_at + DISPLACEMENT_BYTES..)?);
    let modrm = new.get_mut(modrm_at)?;
    if *modrm & 0xc7 != 0x05 {
        return None;
    }
    *modrm = *modrm & 0x38 | scratch.low();
    clear_base_bit(&mut new);
    let Decoded::Insn(moved, bytes) = decode(&new, decoded.ip()) else {
        return None;
    };
    let operands = 0..decoded.op_count().max(moved.op_count());
    let same = moved.code() == decoded.code()
        && moved.len() == new.len()
        && Gpr::of(moved.memory_base()) == Some(scratch)
        && moved.memory_index() == Register::None
        && moved.memory_displacement64() == 0
        && moved.memory_size() == decoded.memory_size()
        && moved.segment_prefix() == decoded.segment_prefix()
        && moved.has_lock_prefix() == decoded.has_lock_prefix()
        && moved.has_rep_prefix() == decoded.has_rep_prefix()
        && moved.has_repne_prefix() == decoded.has_repne_prefix()
        && moved.op_mask() == decoded.op_mask()
        && moved.zeroing_masking() == decoded.zeroing_masking()
        && moved.is_broadcast() == decoded.is_broadcast()
        && operands.into_iter().all(|index| {
            moved.op_kind(index) == decoded.op_kind(index)
                && moved.op_register(index) == decoded.op_register(index)
                && moved.try_immediate(index).ok() == decoded.try_immediate(index).ok()
        });
    same.then_some(bytes)
}

/// The bit that would make the base one of `r8` to `r15`; relative to `rip` it means nothing.
fn clear_base_bit(code: &mut [u8]) {
    let prefixes = Prefixes::of(code);
    let at = prefixes.opcode_at;
    match code.get(at) {
        // VEX, EVEX, XOP (which shares its first byte with `pop`): inverted.
        Some(0xc4 | 0x62 | 0x8f) if prefixes.rex.is_none() => {
            let is_pop =
                code.get(at) == Some(&0x8f) && code.get(at + 1).is_some_and(|b| b & 0x1f < 8);
            if let Some(byte) = code.get_mut(at + 1)
                && !is_pop
            {
                *byte |= 0x20;
            }
        }
        // Without the bit.
        Some(0xc5) => {}
        _ if prefixes.rex.is_some() => code[at - 1] &= !1,
        _ => {}
    }
}

fn same_memory(one: &Instruction, other: &Instruction) -> bool {
    one.memory_base() == other.memory_base()
        && one.memory_index() == other.memory_index()
        && one.memory_index_scale() == other.memory_index_scale()
        && one.memory_displacement64() == other.memory_displacement64()
        && one.memory_segment() == other.memory_segment()
}

#[cfg(test)]
#[path = "insn_tests.rs"]
mod tests;
