//! String instructions that repeat: they can be interrupted in the middle, and their registers say where.

use iced_x86::{Code, Decoder, DecoderOptions};
use pmu::Regs;

const DIRECTION: u64 = 1 << 10;

/// A repeated instruction of which it is known what it does to registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rep {
    len: u64,
    /// Bytes of an element.
    size: u64,
    /// Whether `rsi` moves, too.
    reads: bool,
}

/// The instruction at the start of `code`, if it is one. Those that compare are none: flags tell when they end.
pub fn rep(code: &[u8]) -> Option<Rep> {
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let instruction = decoder.decode();
    let (size, reads) = match instruction.code() {
        Code::Movsb_m8_m8 => (1, true),
        Code::Movsw_m16_m16 => (2, true),
        Code::Movsd_m32_m32 => (4, true),
        Code::Movsq_m64_m64 => (8, true),
        Code::Stosb_m8_AL => (1, false),
        Code::Stosw_m16_AX => (2, false),
        Code::Stosd_m32_EAX => (4, false),
        Code::Stosq_m64_RAX => (8, false),
        _ => return None,
    };
    // With 32-bit addresses it counts in `ecx`.
    let wide = !code[..instruction.len()].contains(&0x67);
    let repeats = instruction.has_rep_prefix() || instruction.has_repne_prefix();
    let len = instruction.len() as u64;
    (repeats && wide).then_some(Rep { len, size, reads })
}

impl Rep {
    /// The registers behind `count` more repetitions, still at the instruction.
    pub const fn after(&self, regs: &Regs, count: u64) -> Regs {
        let bytes = count.wrapping_mul(self.size);
        let moved = if regs.eflags & DIRECTION == 0 {
            bytes
        } else {
            bytes.wrapping_neg()
        };
        Regs {
            rcx: regs.rcx.wrapping_sub(count),
            rdi: regs.rdi.wrapping_add(moved),
            rsi: if self.reads {
                regs.rsi.wrapping_add(moved)
            } else {
                regs.rsi
            },
            ..*regs
        }
    }

    /// The address of the next instruction.
    pub const fn next(&self, regs: &Regs) -> u64 {
        regs.rip.wrapping_add(self.len)
    }

    /// How many repetitions lead from registers at the instruction to others.
    pub fn between(&self, from: &Regs, to: &Regs) -> Option<u64> {
        let count = from.rcx.checked_sub(to.rcx)?;
        let there = self.after(from, count);
        let same = from.rip == to.rip
            && there.signature() == to.signature()
            && (there.rcx, there.rdi, there.rsi) == (to.rcx, to.rdi, to.rsi);
        same.then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_repeats_and_compares_nothing() {
        let known = |code: &[u8]| rep(code).map(|rep| (rep.len, rep.size, rep.reads));
        assert_eq!(known(&[0xf3, 0xa4, 0x90]), Some((2, 1, true)));
        assert_eq!(known(&[0xf3, 0x48, 0xab]), Some((3, 8, false)));
        assert_eq!(known(&[0xf2, 0x66, 0xa5]), Some((3, 2, true)));
        for other in [
            &[0xa4][..],
            &[0xf3, 0xa6],
            &[0xf3, 0xae],
            &[0xf3, 0xac],
            &[0x67, 0xf3, 0xa4],
            &[0xf3],
            &[],
        ] {
            assert_eq!(known(other), None, "{other:x?}");
        }
    }

    #[test]
    fn registers_say_how_often_it_was_repeated() {
        let copy = rep(&[0xf3, 0x48, 0xa5]).expect("one");
        let from = Regs {
            rip: 0x1000,
            rcx: 10,
            rsi: 0x100,
            rdi: 0x900,
            eflags: DIRECTION,
            ..Regs::default()
        };
        let to = copy.after(&from, 4);
        assert_eq!((to.rcx, to.rsi, to.rdi), (6, 0x100 - 32, 0x900 - 32));
        assert_eq!(copy.between(&from, &to), Some(4));
        assert_eq!(copy.between(&from, &from), Some(0));
        assert_eq!(copy.between(&to, &from), None);
        let other = Regs { rbx: 1, ..to };
        assert_eq!(copy.between(&from, &other), None);
        assert_eq!(copy.next(&from), 0x1003);
    }
}
