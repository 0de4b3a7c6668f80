//! One decoded instruction, and how it is moved to another address.
//!
//! Every byte stays what it is except for what refers to the instruction's own address, so that the copy
//! does what the original does, whatever that is.

use super::gpr::Gpr;
use super::prefixes::Prefixes;
use super::stepped::INSTRUCTION_BYTES_MAX;
use iced_x86::{
    Decoder, DecoderError, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, Register,
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
mod tests {
    use super::*;

    const AT: u64 = 0x40_0000;

    fn prepared(code: &[u8], cache: Range<u64>) -> Option<Insn> {
        match decode(code, AT) {
            Decoded::Insn(decoded, bytes) => Insn::new(decoded, bytes, &cache),
            _ => None,
        }
    }

    /// Instructions with an operand relative to `rip`, of all kinds of encoding.
    const RELATIVE: [&[u8]; 16] = [
        &[0x48, 0x8b, 0x05, 0x10, 0, 0, 0], // mov rax, [rip + 16]
        &[0x49, 0x8b, 0x0d, 0x10, 0, 0, 0], // the same with a REX.B that means nothing
        &[0x80, 0x3d, 0x10, 0, 0, 0, 7],    // cmp byte [rip + 16], 7
        &[0x48, 0x81, 0x05, 0x10, 0, 0, 0, 1, 2, 3, 4], // add qword [rip + 16], 0x4030201
        &[0xff, 0x35, 0x10, 0, 0, 0],       // push [rip + 16]
        &[0x8f, 0x05, 0x10, 0, 0, 0],       // pop [rip + 16]
        &[0x41, 0x8f, 0x05, 0x10, 0, 0, 0], // the same with REX.B
        &[0xf0, 0x48, 0x0f, 0xc7, 0x0d, 0x10, 0, 0, 0], // lock cmpxchg16b [rip + 16]
        &[0x64, 0x8b, 0x05, 0x10, 0, 0, 0], // mov eax, fs:[rip + 16]
        &[0xc5, 0xfd, 0xfe, 0x05, 0x10, 0, 0, 0], // vpaddd ymm0, ymm0, [rip + 16]
        &[0xc4, 0xc1, 0x7d, 0xfe, 0x05, 0x10, 0, 0, 0], // the same, VEX.B set (it is inverted)
        &[0x62, 0xd1, 0xfe, 0x48, 0x6f, 0x05, 0x10, 0, 0, 0], // vmovdqu64 zmm0, [rip + 16], EVEX.B
        &[0x0f, 0xae, 0x25, 0x10, 0, 0, 0], // xsave [rip + 16]
        &[0xf3, 0x0f, 0x7f, 0x05, 0x10, 0, 0, 0], // movdqu [rip + 16], xmm0
        &[0x66, 0x0f, 0x3a, 0x63, 0x05, 0x10, 0, 0, 0, 1], // pcmpistri xmm0, [rip + 16], 1
        &[0xdd, 0x05, 0x10, 0, 0, 0],       // fld qword [rip + 16]
    ];

    #[test]
    fn operands_in_reach_get_another_displacement() {
        for code in RELATIVE {
            let insn = prepared(code, 0x1000_0000..0x2000_0000).expect("movable");
            for to in [0x1000_0000, 0x1fff_fff0] {
                let Some(Moved::Same(bytes)) = insn.moved(to) else {
                    panic!("{code:x?}");
                };
                let Decoded::Insn(moved, _) = decode(bytes.as_slice(), to) else {
                    panic!("{code:x?}");
                };
                assert_eq!(moved.code(), insn.decoded.code());
                assert_eq!(
                    moved.ip_rel_memory_address(),
                    insn.decoded.ip_rel_memory_address()
                );
            }
        }
    }

    #[test]
    fn operands_out_of_reach_go_through_a_register_that_is_free() {
        for code in RELATIVE {
            let insn = prepared(code, 0x7f00_0000_0000..0x7f00_1000_0000).expect("movable");
            let Some(Moved::Through {
                bytes,
                scratch,
                address,
            }) = insn.moved(0x7f00_0000_0000)
            else {
                panic!("{code:x?}");
            };
            assert_eq!(address, AT + code.len() as u64 + 16);
            let Decoded::Insn(moved, _) = decode(bytes.as_slice(), 0) else {
                panic!("{code:x?}");
            };
            assert_eq!(moved.code(), insn.decoded.code(), "{code:x?}");
            assert_eq!(Gpr::of(moved.memory_base()), Some(scratch));
            let mut factory = InstructionInfoFactory::new();
            let info = factory.info(&insn.decoded);
            let mut used = info.used_registers().iter();
            assert!(used.all(|used| Gpr::of(used.register()) != Some(scratch)));
        }
    }

    #[test]
    fn an_address_of_32_bits_stays_one() {
        // mov eax, [eip + 16]
        let code = [0x67, 0x8b, 0x05, 0x10, 0, 0, 0];
        let insn = prepared(&code, 0x1000_0000..0x2000_0000).expect("movable");
        let moved = insn.moved(0x1000_0000);
        assert!(matches!(
            moved,
            Some(Moved::Through {
                address: 0x40_0017,
                ..
            })
        ));
    }

    #[test]
    fn lea_out_of_reach_becomes_a_constant() {
        let code = [0x4c, 0x8d, 0x3d, 0x10, 0, 0, 0];
        let insn = prepared(&code, 0x7f00_0000_0000..0x7f00_1000_0000).expect("movable");
        let expected = Moved::Constant {
            register: Register::R15,
            value: AT + 7 + 16,
        };
        assert_eq!(insn.moved(0x7f00_0000_0000), Some(expected));
    }

    #[test]
    fn targets_are_loaded_as_the_branch_would() {
        let branches: [&[u8]; 6] = [
            &[0xff, 0xe0],                               // jmp rax
            &[0x41, 0xff, 0xd3],                         // call r11
            &[0xff, 0x54, 0x24, 0x08],                   // call [rsp + 8]
            &[0x65, 0xff, 0x14, 0x25, 0x10, 0, 0, 0],    // call gs:[0x10]
            &[0x3e, 0x42, 0xff, 0x24, 0xfd, 0, 1, 0, 0], // notrack jmp [r15 * 8 + 0x100]
            &[0xff, 0x25, 0x10, 0, 0, 0],                // jmp [rip + 16]
        ];
        for code in branches {
            let Decoded::Insn(branch, bytes) = decode(code, AT) else {
                panic!("{code:x?}");
            };
            let load = Insn::load_target(&branch, &bytes).expect("movable");
            assert_eq!(load.at, AT);
            assert_eq!(load.decoded.op0_register(), Register::RDX);
            assert_eq!(load.decoded.op1_kind(), branch.op0_kind());
            assert_eq!(load.decoded.memory_base(), branch.memory_base());
            assert_eq!(load.decoded.memory_index(), branch.memory_index());
            assert_eq!(
                load.decoded.segment_prefix() == Register::GS,
                code[0] == 0x65
            );
        }
    }
}
