//! Instructions whose result is not a function of the program's state: which one a
//! thread stands at, which must be patched to be noticed, and what they do to registers.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, Register};
use journal::TrapKind;
use pmu::Regs;

/// The longest x86 instruction.
pub const INSTRUCTION_BYTES_MAX: usize = 15;

/// `ud2`
const UD2: [u8; 2] = [0x0f, 0x0b];

/// A nondeterministic instruction at a known address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nondeterministic {
    /// Which.
    pub kind: TrapKind,
    /// Its length.
    pub len: usize,
    destination: Register,
}

/// The instruction at the start of `code`, if it is one of them.
#[must_use]
pub fn decode(code: &[u8], ip: u64) -> Option<Nondeterministic> {
    let mut decoder = Decoder::with_ip(64, code, ip, DecoderOptions::NONE);
    let instruction = decoder.decode();
    classify(&instruction)
}

fn classify(instruction: &Instruction) -> Option<Nondeterministic> {
    let kind = match instruction.mnemonic() {
        Mnemonic::Rdtsc => TrapKind::Rdtsc,
        Mnemonic::Rdtscp => TrapKind::Rdtscp,
        Mnemonic::Rdrand => TrapKind::Rdrand,
        Mnemonic::Rdseed => TrapKind::Rdseed,
        _ => return None,
    };
    Some(Nondeterministic {
        kind,
        len: instruction.len(),
        destination: instruction.op0_register(),
    })
}

impl Nondeterministic {
    /// What the instruction does to the registers, given its result.
    pub fn apply(&self, regs: &mut Regs, value: u64, aux: u64) {
        const LOW: u64 = 0xffff_ffff;
        const CARRY: u64 = 1;
        const OTHER_FLAGS: u64 = 1 << 11 | 1 << 7 | 1 << 6 | 1 << 4 | 1 << 2;
        match self.kind {
            TrapKind::Rdtsc | TrapKind::Rdtscp => {
                regs.rax = value & LOW;
                regs.rdx = value >> 32;
                if self.kind == TrapKind::Rdtscp {
                    regs.rcx = aux & LOW;
                }
            }
            TrapKind::Rdrand | TrapKind::Rdseed => {
                set_register(regs, self.destination, value);
                regs.eflags = regs.eflags & !OTHER_FLAGS | CARRY;
            }
            TrapKind::Cpuid => {
                regs.rax = value & LOW;
                regs.rbx = value >> 32;
                regs.rcx = aux & LOW;
                regs.rdx = aux >> 32;
            }
        }
        regs.rip += self.len as u64;
    }
}

fn set_register(regs: &mut Regs, register: Register, value: u64) {
    let slot = match register.full_register() {
        Register::RAX => &mut regs.rax,
        Register::RCX => &mut regs.rcx,
        Register::RDX => &mut regs.rdx,
        Register::RBX => &mut regs.rbx,
        Register::RSP => &mut regs.rsp,
        Register::RBP => &mut regs.rbp,
        Register::RSI => &mut regs.rsi,
        Register::RDI => &mut regs.rdi,
        Register::R8 => &mut regs.r8,
        Register::R9 => &mut regs.r9,
        Register::R10 => &mut regs.r10,
        Register::R11 => &mut regs.r11,
        Register::R12 => &mut regs.r12,
        Register::R13 => &mut regs.r13,
        Register::R14 => &mut regs.r14,
        Register::R15 => &mut regs.r15,
        _ => return,
    };
    *slot = match register.size() {
        2 => *slot & !0xffff | value & 0xffff,
        4 => value & 0xffff_ffff,
        _ => value,
    };
}

/// Offsets in `code` of RDRAND and RDSEED instructions, with what replaces them: `ud2`
/// and filling. They cannot be made to trap otherwise. The bytes alone do not prove an
/// instruction, so a candidate counts only if decoding from most places before it
/// arrives at it: x86 code resynchronises after a few instructions.
#[must_use]
pub fn unpredictable_sites(code: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut sites = Vec::new();
    let mut at = 0;
    while let Some(found) = find(&code[at..]) {
        let opcode = at + found;
        at = opcode + 2;
        if let Some((start, len)) = boundary(code, opcode) {
            sites.push((start, patch(&code[start..start + len])));
        }
    }
    sites
}

/// `ud2`, then what is needed to know the instruction again: its ModRM byte, whose two
/// `mod` bits (always 11 in the original) say how many prefix bytes follow.
fn patch(original: &[u8]) -> Vec<u8> {
    let prefixes = original.len().saturating_sub(3);
    let modrm = original.last().copied().unwrap_or_default();
    let marked = modrm & 0x3f | (3 - u8::try_from(prefixes).unwrap_or(3)) << 6;
    let mut bytes = UD2.to_vec();
    bytes.push(marked);
    bytes.extend(&original[..prefixes]);
    bytes
}

/// The instruction that a patched site stands for.
#[must_use]
pub fn decode_patched(code: &[u8], ip: u64) -> Option<Nondeterministic> {
    let marked = *code.strip_prefix(&UD2)?.first()?;
    let prefixes = usize::from(3 - (marked >> 6));
    let mut original = code.get(3..3 + prefixes)?.to_vec();
    original.extend([0x0f, 0xc7, marked | 0xc0]);
    decode(&original, ip)
}

/// `0f c7` followed by a ModRM byte for a register and /6 or /7.
fn find(code: &[u8]) -> Option<usize> {
    code.windows(3)
        .position(|w| w[0] == 0x0f && w[1] == 0xc7 && w[2] >= 0xf0)
}

/// Where the instruction with its opcode at `opcode` starts, if it is one.
fn boundary(code: &[u8], opcode: usize) -> Option<(usize, usize)> {
    const RUN_UP: usize = 64;
    // Prefixes: 66 and REX may stand before it.
    let mut start = opcode;
    if start > 0 && code[start - 1] & 0xf0 == 0x40 {
        start -= 1;
    }
    if start > 0 && code[start - 1] == 0x66 {
        start -= 1;
    }
    let nondeterministic = decode(&code[start..], 0)?;
    let from = start.saturating_sub(RUN_UP);
    let arrived = (from..start)
        .filter(|&first| arrives(code, first, start))
        .count();
    (arrived * 2 >= start - from).then_some((start, nondeterministic.len))
}

fn arrives(code: &[u8], first: usize, target: usize) -> bool {
    let mut decoder = Decoder::with_ip(64, &code[first..], first as u64, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        let position = first + decoder.position();
        if position >= target {
            return position == target;
        }
        decoder.decode_out(&mut instruction);
        if instruction.code() == Code::INVALID {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rdtsc_is_recognised_and_applied() {
        let found = decode(&[0x0f, 0x31], 0).expect("rdtsc");
        let mut regs = Regs {
            rip: 100,
            ..Regs::default()
        };
        found.apply(&mut regs, 0x1_0000_0002, 0);
        assert_eq!((regs.rax, regs.rdx, regs.rip), (2, 1, 102));
        assert_eq!(
            decode(&[0x0f, 0x01, 0xf9], 0).expect("rdtscp").kind,
            TrapKind::Rdtscp
        );
        assert_eq!(decode(&[0x90], 0), None);
    }

    #[test]
    fn rdrand_sets_its_register_and_carry() {
        // rdrand r9d
        let found = decode(&[0x41, 0x0f, 0xc7, 0xf1], 0).expect("rdrand");
        assert_eq!(found.len, 4);
        let mut regs = Regs {
            r9: u64::MAX,
            ..Regs::default()
        };
        found.apply(&mut regs, 0x1_2345_6789, 0);
        assert_eq!((regs.r9, regs.eflags & 1), (0x2345_6789, 1));
    }

    #[test]
    fn sites_are_found_on_instruction_boundaries_only() {
        // nop × 8; rdrand eax; ret
        let code = [
            0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x0f, 0xc7, 0xf0, 0xc3,
        ];
        assert_eq!(
            unpredictable_sites(&code),
            vec![(8, vec![0x0f, 0x0b, 0xf0])]
        );
        // rdseed r9 (with REX.W and REX.B)
        let wide = [0x90, 0x49, 0x0f, 0xc7, 0xf9, 0xc3];
        let sites = unpredictable_sites(&wide);
        assert_eq!(sites.len(), 1);
        assert_eq!(decode_patched(&sites[0].1, 1), decode(&wide[1..5], 1));
        // mov rax, imm64 with the same bytes inside; nops before
        let mut hidden = vec![0x90; 70];
        hidden.extend([0x48, 0xb8, 1, 2, 0x0f, 0xc7, 0xf0, 3, 4, 5]);
        assert_eq!(unpredictable_sites(&hidden), vec![]);
    }
}
