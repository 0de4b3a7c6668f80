//! Where in a block its conditional branch is counted, and in which way.
//!
//! A block is left through one conditional branch at most, so it is counted anywhere in the block, before
//! the branch. What matters is the flags. Right before an instruction that overwrites all of them they are
//! free: `inc [counter]; jns` costs two instructions. Elsewhere they are preserved, with a register.

use super::block::{Block, End};
use super::insn::Insn;
use iced_x86::{Mnemonic, OpKind};

/// How conditional branches are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Counting {
    /// `inc` where flags are free, else with a register.
    #[default]
    Shortest,
    /// Always with a register; for measuring and testing.
    Register,
}

/// The place of the counting code in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// With `inc`, before this instruction.
    Free(usize),
    /// With a register, before this instruction (the branch, if it is the number of instructions).
    Preserving(usize),
}

/// Where to count; none if the block does not end with a conditional branch.
pub(super) fn place(block: &Block, counting: Counting) -> Option<Place> {
    let End::Branch { .. } = block.last else {
        return None;
    };
    if counting == Counting::Shortest
        && let Some(index) = block.insns.iter().rposition(overwrites_flags)
    {
        return Some(Place::Free(index));
    }
    // Not between a comparison and its branch: they execute as one.
    Some(Place::Preserving(block.insns.len().saturating_sub(1)))
}

/// Whether an instruction overwrites everything that `inc` changes, whatever it was, and cannot fault.
///
/// Only what is known to: shifts by 0 leave flags alone, multiplications and bit scans leave some
/// undefined, and with operands in memory a fault would show the wrong flags. `inc`, `dec`, `adc` and
/// `sbb` keep or read the carry, which `inc` does not touch. The logical operations clear the auxiliary
/// carry on every processor, although the manuals do not say so; the tests look.
fn overwrites_flags(insn: &Insn) -> bool {
    let decoded = &insn.decoded;
    let known = matches!(
        decoded.mnemonic(),
        Mnemonic::Add
            | Mnemonic::Sub
            | Mnemonic::Cmp
            | Mnemonic::Test
            | Mnemonic::And
            | Mnemonic::Or
            | Mnemonic::Xor
            | Mnemonic::Adc
            | Mnemonic::Sbb
            | Mnemonic::Neg
            | Mnemonic::Inc
            | Mnemonic::Dec
    );
    known && decoded.op_kinds().all(|kind| kind != OpKind::Memory)
}

#[cfg(test)]
mod tests {
    use super::super::block;
    use super::super::source::{Code, Window};
    use super::*;

    struct Snippet(Vec<u8>);

    impl Code for Snippet {
        fn read(&self, at: u64, into: &mut [u8]) -> usize {
            let from = usize::try_from(at - 0x1000).expect("small");
            let rest = self.0.get(from..).unwrap_or_default();
            let len = rest.len().min(into.len());
            into[..len].copy_from_slice(&rest[..len]);
            len
        }
    }

    fn placed(code: &[u8]) -> Option<Place> {
        let snippet = Snippet([code, &[0xf4]].concat());
        place(
            &block::decode(&mut Window::new(&snippet, &(0..0)), 0x1000, None),
            Counting::Shortest,
        )
    }

    #[test]
    fn the_place_is_before_the_last_instruction_that_overwrites_flags() {
        // cmp eax, ecx; jz
        assert_eq!(placed(&[0x39, 0xc8, 0x74, 0]), Some(Place::Free(0)));
        // cmp eax, ecx; mov eax, ecx; jz
        let later = [0x39, 0xc8, 0x89, 0xc8, 0x74, 0];
        assert_eq!(placed(&later), Some(Place::Free(0)));
        // cmp [rax], ecx; jz
        assert_eq!(placed(&[0x39, 0x08, 0x74, 0]), Some(Place::Preserving(0)));
        // add ecx, 1; cmp [rax], ecx; jz
        let add = [0x83, 0xc1, 1, 0x39, 0x08, 0x74, 0];
        assert_eq!(placed(&add), Some(Place::Free(0)));
        // jz
        assert_eq!(placed(&[0x74, 0]), Some(Place::Preserving(0)));
        // shl eax, cl; jz
        assert_eq!(placed(&[0xd3, 0xe0, 0x74, 0]), Some(Place::Preserving(0)));
        // popfq; jz
        assert_eq!(placed(&[0x9d, 0x74, 0]), Some(Place::Preserving(0)));
        // cmp eax, ecx; jmp
        assert_eq!(placed(&[0x39, 0xc8, 0xeb, 0]), None);
    }
}
