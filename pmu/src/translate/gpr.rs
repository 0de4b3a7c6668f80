//! The sixteen general registers by their number in an instruction's encoding.

use crate::Regs;
use iced_x86::Register;

/// A general register, by its hardware number (0 to 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Gpr(u8);

impl Gpr {
    pub(super) const RAX: Self = Self(0);
    pub(super) const RCX: Self = Self(1);
    pub(super) const RDX: Self = Self(2);
    pub(super) const RBX: Self = Self(3);
    pub(super) const RSP: Self = Self(4);
    pub(super) const RSI: Self = Self(6);
    pub(super) const RDI: Self = Self(7);
    pub(super) const R11: Self = Self(11);

    /// All of them, those first that change most often.
    pub(super) const BY_CHANGE: [Self; 16] = [
        Self::RCX,
        Self::RAX,
        Self::RDX,
        Self::RSI,
        Self::RDI,
        Self(8),
        Self(9),
        Self(10),
        Self::R11,
        Self::RBX,
        Self(12),
        Self(13),
        Self(14),
        Self(15),
        Self(5),
        Self::RSP,
    ];

    /// The low three bits, as they stand in a ModRM byte or an opcode.
    pub(super) const fn low(self) -> u8 {
        self.0 & 7
    }

    /// Whether the encoding needs a bit of a REX prefix.
    pub(super) const fn is_extended(self) -> bool {
        self.0 >= 8
    }

    /// The 64-bit register of which `register` is a part; none for any other kind of register.
    pub(super) fn of(register: Register) -> Option<Self> {
        if !register.is_gpr() {
            return None;
        }
        let number = register.full_register().number();
        u8::try_from(number)
            .ok()
            .filter(|number| *number < 16)
            .map(Self)
    }

    /// Its value.
    pub(super) const fn get(self, regs: &Regs) -> u64 {
        match self.0 {
            0 => regs.rax,
            1 => regs.rcx,
            2 => regs.rdx,
            3 => regs.rbx,
            4 => regs.rsp,
            5 => regs.rbp,
            6 => regs.rsi,
            7 => regs.rdi,
            8 => regs.r8,
            9 => regs.r9,
            10 => regs.r10,
            11 => regs.r11,
            12 => regs.r12,
            13 => regs.r13,
            14 => regs.r14,
            _ => regs.r15,
        }
    }

    /// Sets it.
    pub(super) const fn set(self, regs: &mut Regs, value: u64) {
        match self.0 {
            0 => regs.rax = value,
            1 => regs.rcx = value,
            2 => regs.rdx = value,
            3 => regs.rbx = value,
            4 => regs.rsp = value,
            5 => regs.rbp = value,
            6 => regs.rsi = value,
            7 => regs.rdi = value,
            8 => regs.r8 = value,
            9 => regs.r9 = value,
            10 => regs.r10 = value,
            11 => regs.r11 = value,
            12 => regs.r12 = value,
            13 => regs.r13 = value,
            14 => regs.r14 = value,
            _ => regs.r15 = value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_encoding() {
        assert_eq!(Gpr::of(Register::CL), Some(Gpr::RCX));
        assert_eq!(Gpr::of(Register::AH), Some(Gpr::RAX));
        assert_eq!(Gpr::of(Register::EDI), Some(Gpr::RDI));
        assert_eq!(Gpr::of(Register::R13W).map(Gpr::low), Some(5));
        assert_eq!(Gpr::of(Register::XMM0), None);
        assert_eq!(Gpr::of(Register::RIP), None);
    }

    #[test]
    fn all_registers_are_among_all() {
        let mut all = Gpr::BY_CHANGE;
        all.sort_unstable();
        assert!((0..16).map(Gpr).eq(all));
    }

    #[test]
    fn every_register_is_one_of_its_own() {
        let mut regs = Regs::default();
        for number in 0..16 {
            Gpr(number).set(&mut regs, 1 << number);
        }
        let sum = [
            regs.rax, regs.rcx, regs.rdx, regs.rbx, regs.rsp, regs.rbp, regs.rsi, regs.rdi,
            regs.r8, regs.r9, regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15,
        ];
        for (number, value) in sum.into_iter().enumerate() {
            assert_eq!(value, 1 << number);
            assert_eq!(Gpr(u8::try_from(number).expect("small")).get(&regs), value);
        }
    }
}
