//! Instructions whose result is not a function of the program's state: which one a
//! thread stands at, which must be patched to be noticed, and what they do to registers.

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, Register};
use journal::TrapKind;
use pmu::Regs;
use std::collections::HashSet;

/// The longest x86 instruction.
pub const INSTRUCTION_BYTES_MAX: usize = 15;

/// `ud2`
const UD2: [u8; 2] = [0x0f, 0x0b];
/// `hlt`
const HLT: u8 = 0xf4;

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

/// What a disassembly of a function says about bytes that look like a nondeterministic
/// instruction.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Instructions: offsets, and what replaces them.
    pub sites: Vec<(usize, Vec<u8>)>,
    /// Offsets that it did not arrive at, or at an instruction that cannot be replaced.
    pub open: Vec<usize>,
}

/// Judges `candidates`, ascending offsets of opcodes in `code`, a function. What the disassembly
/// arrives at is an instruction, and is replaced by one that traps; what is inside another
/// instruction is none. Two bytes are soon found in data, which must not be changed: reads of the
/// counter have to be where jumps from the start of the function lead to, too.
#[must_use]
pub fn judge(code: &[u8], candidates: &[usize]) -> Verdicts {
    let mut verdicts = Verdicts::default();
    let mut left = candidates;
    let mut reached = None;
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() && !left.is_empty() {
        let at = decoder.position();
        decoder.decode_out(&mut instruction);
        if instruction.code() == Code::INVALID {
            break;
        }
        let inside = left.partition_point(|found| *found < decoder.position());
        let found = left.get(..inside).unwrap_or_default();
        left = left.get(inside..).unwrap_or_default();
        let Some(first) = found.first() else { continue };
        let original = &code[at..decoder.position()];
        let patch = match instruction.mnemonic() {
            Mnemonic::Rdrand | Mnemonic::Rdseed => patch(original),
            Mnemonic::Rdtsc | Mnemonic::Rdtscp => patch_counter(original)
                .filter(|_| reached.get_or_insert_with(|| reachable(code)).contains(&at)),
            _ => continue,
        };
        match patch {
            Some(patch) => verdicts.sites.push((at, patch)),
            None => verdicts.open.push(*first),
        }
    }
    verdicts.open.extend(left);
    verdicts
}

/// Offsets of the instructions in a function to which its start leads, by direct jumps.
fn reachable(code: &[u8]) -> HashSet<usize> {
    let mut reached = HashSet::new();
    let mut starts = vec![0usize];
    while let Some(start) = starts.pop() {
        let Some(rest) = code.get(start..) else {
            continue;
        };
        let mut decoder = Decoder::with_ip(64, rest, start as u64, DecoderOptions::NONE);
        while decoder.can_decode() {
            let at = start + decoder.position();
            let instruction = decoder.decode();
            if instruction.is_invalid() || !reached.insert(at) {
                break;
            }
            let target = || usize::try_from(instruction.near_branch_target()).ok();
            match instruction.flow_control() {
                FlowControl::ConditionalBranch => starts.extend(target()),
                FlowControl::UnconditionalBranch => {
                    starts.extend(target());
                    break;
                }
                FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => {}
                _ => break,
            }
        }
    }
    reached
}

/// `hlt`, then the rest: it raises the signal that the instruction itself raises where the counter
/// is forbidden, with the same information. Prefixes are for nothing; with any it is left alone.
fn patch_counter(original: &[u8]) -> Option<Vec<u8>> {
    let rest = original.strip_prefix(&[0x0f])?;
    matches!(rest, [0x31] | [0x01, 0xf9]).then(|| [&[HLT], rest].concat())
}

/// `ud2`, then what is needed to know the instruction again: its ModRM byte, whose two
/// `mod` bits (always 11 in the original) say how many prefix bytes follow. There are two
/// that mean something; with more than three it is left alone.
fn patch(original: &[u8]) -> Option<Vec<u8>> {
    let prefixes = original.len().checked_sub(3)?;
    let modrm = *original.last()?;
    let count = u8::try_from(prefixes).ok().filter(|count| *count <= 3)?;
    let mut bytes = UD2.to_vec();
    bytes.push(modrm & 0x3f | (3 - count) << 6);
    bytes.extend(&original[..prefixes]);
    Some(bytes)
}

/// The instruction that a patched site stands for.
#[must_use]
pub fn decode_patched(code: &[u8], ip: u64) -> Option<Nondeterministic> {
    if let Some(rest) = code.strip_prefix(&[HLT]) {
        let len = if rest.first() == Some(&0x31) { 1 } else { 2 };
        let original = [&[0x0f], rest.get(..len)?].concat();
        return decode(&original, ip);
    }
    let marked = *code.strip_prefix(&UD2)?.first()?;
    let prefixes = usize::from(3 - (marked >> 6));
    let mut original = code.get(3..3 + prefixes)?.to_vec();
    original.extend([0x0f, 0xc7, marked | 0xc0]);
    decode(&original, ip)
}

/// The first place in `code` with the bytes of a nondeterministic instruction, prefixes aside:
/// `0f c7` and a ModRM byte for a register and /6 or /7, `0f 31`, or `0f 01 f9`.
#[must_use]
pub fn find_opcode(code: &[u8]) -> Option<usize> {
    const BLOCK: usize = 64;
    let is_one = |w: &[u8]| {
        w[0] == 0x0f && (w[1] == 0xc7 && w[2] >= 0xf0 || w[1] == 0x31 || w[1] == 1 && w[2] == 0xf9)
    };
    let mut at = 0;
    // Without a branch inside a block the compiler compares many bytes at once: ten times as
    // fast as the obvious way, for files of a hundred megabytes.
    while let Some(block) = code.get(at..at + BLOCK + 2) {
        let mut any = false;
        for ((first, second), third) in block.iter().zip(&block[1..]).zip(&block[2..]) {
            let random = (*second == 0xc7) & (*third >= 0xf0);
            let counter = (*second == 0x31) | (*second == 1) & (*third == 0xf9);
            any |= (*first == 0x0f) & (random | counter);
        }
        if any && let Some(found) = block.windows(3).position(is_one) {
            return Some(at + found);
        }
        at += BLOCK;
    }
    let rest = code.get(at..)?;
    let found = rest.windows(3).position(is_one);
    // Two bytes are enough for one of them.
    let found = found.or_else(|| rest.ends_with(&[0x0f, 0x31]).then(|| rest.len() - 2));
    found.map(|found| at + found)
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
    fn sites_are_instructions() {
        // nop; rdrand eax; ret
        let code = [0x90, 0x0f, 0xc7, 0xf0, 0xc3];
        let sites = |code: &[u8], at: usize| judge(code, &[at]).sites;
        let none = Verdicts::default();
        let open = |at: usize| Verdicts {
            open: vec![at],
            ..Verdicts::default()
        };
        assert_eq!(sites(&code, 1), vec![(1, vec![0x0f, 0x0b, 0xf0])]);
        // rdseed r9 (with REX.W and REX.B)
        let wide = [0x90, 0x49, 0x0f, 0xc7, 0xf9, 0xc3];
        let found = sites(&wide, 2);
        assert_eq!(found.len(), 1);
        assert_eq!(decode_patched(&found[0].1, 1), decode(&wide[1..5], 1));
        // mov rax, imm64 with the same bytes inside
        let hidden = [0x48, 0xb8, 1, 2, 0x0f, 0xc7, 0xf0, 3, 4, 5];
        assert_eq!(judge(&hidden, &[4]), none);
        // rdpid rax
        assert_eq!(judge(&[0xf3, 0x0f, 0xc7, 0xf8], &[1]), none);
        // Behind what is no instruction nothing is known.
        assert_eq!(judge(&[0x06, 0x0f, 0xc7, 0xf0], &[1]), open(1));
        // Too many prefixes to be noted down.
        let many = [0x66, 0x66, 0x66, 0x66, 0x0f, 0xc7, 0xf0];
        assert_eq!(judge(&many, &[4]), open(4));
    }

    #[test]
    fn reads_of_the_counter_are_replaced_by_the_same_fault() {
        let open = |at: usize| Verdicts {
            open: vec![at],
            ..Verdicts::default()
        };
        // rdtsc; rdtscp; mov $0x310f, %eax; mov $0xf, %al; xor %eax, %eax; rdtsc with a prefix
        let code = [
            0x0f, 0x31, 0x0f, 0x01, 0xf9, 0xb8, 0x0f, 0x31, 0, 0, 0xb0, 0x0f, 0x31, 0xc0, 0x48,
            0x0f, 0x31,
        ];
        let mut candidates = Vec::new();
        while let Some(found) = find_opcode(&code[candidates.last().map_or(0, |last| last + 1)..]) {
            candidates.push(candidates.last().map_or(0, |last| last + 1) + found);
        }
        assert_eq!(candidates, vec![0, 2, 6, 11, 15]);
        let verdicts = judge(&code, &candidates);
        assert_eq!(
            verdicts.sites,
            vec![(0, vec![0xf4, 0x31]), (2, vec![0xf4, 0x01, 0xf9])]
        );
        assert_eq!(verdicts.open, vec![15]);
        for (at, patch) in &verdicts.sites {
            assert_eq!(decode_patched(patch, 7), decode(&code[*at..], 7));
        }
        // jmp over data
        let data = [0xeb, 0x02, 0x0f, 0x31, 0xc3];
        assert_eq!(judge(&data, &[2]), open(2));
        // What else begins with `hlt` is none.
        assert_eq!(decode_patched(&[0xf4, 0xc3, 0x90], 7), None);
    }

    #[test]
    fn the_opcode_is_found_wherever_it_stands() {
        for len in [3, 4, 63, 64, 65, 66, 67, 129, 200] {
            for at in 0..=len - 3 {
                let mut code = vec![0x0f; len];
                code[at..at + 3].copy_from_slice(&[0x0f, 0xc7, 0xf7]);
                assert_eq!(find_opcode(&code), Some(at), "{at} of {len}");
                code[at + 2] = 0xef;
                assert_eq!(find_opcode(&code), None);
            }
        }
        assert_eq!(find_opcode(&[0x0f, 0xc7]), None);
        assert_eq!(find_opcode(&[]), None);
    }
}
