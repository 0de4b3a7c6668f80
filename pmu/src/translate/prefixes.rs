//! The prefix bytes of an instruction: what is before its opcode.

/// Prefixes that change what an instruction does here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Prefixes {
    /// 66
    pub(super) operand_size: bool,
    /// 67
    pub(super) address_size: bool,
    /// The last of 64 and 65; the others mean nothing in 64-bit code.
    pub(super) segment: Option<u8>,
    /// The REX byte right before the opcode.
    pub(super) rex: Option<u8>,
    /// Where what follows the prefixes (an opcode, or a VEX, EVEX or XOP prefix) begins.
    pub(super) opcode_at: usize,
}

impl Prefixes {
    /// Reads them; `bytes` is one whole instruction.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        for (index, byte) in bytes.iter().enumerate() {
            found.opcode_at = index;
            match byte {
                0x66 => found.operand_size = true,
                0x67 => found.address_size = true,
                0x64 | 0x65 => found.segment = Some(*byte),
                0x26 | 0x2e | 0x36 | 0x3e | 0xf0 | 0xf2 | 0xf3 => {}
                0x40..=0x4f => {
                    // Only right before the opcode it means anything.
                    found.rex = Some(*byte);
                    continue;
                }
                _ => break,
            }
            found.rex = None;
        }
        found
    }

    /// Whether a near branch has the operand size that all processors agree on. With prefix 66 alone
    /// some take the target as 16 bits, others as 64.
    pub(super) fn branch_is_plain(self) -> bool {
        !self.operand_size || self.rex.is_some_and(|rex| rex & 8 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rex_counts_only_before_the_opcode() {
        let call = Prefixes::of(&[0x66, 0x66, 0x48, 0xe8, 0, 0, 0, 0]);
        assert!(call.operand_size && call.branch_is_plain());
        assert_eq!((call.rex, call.opcode_at), (Some(0x48), 3));
        let other = Prefixes::of(&[0x48, 0x66, 0xe8, 0, 0]);
        assert_eq!((other.rex, other.opcode_at), (None, 2));
        assert!(!other.branch_is_plain());
        let load = Prefixes::of(&[0x65, 0x67, 0x8b, 0x01]);
        assert!(load.address_size);
        assert_eq!((load.segment, load.opcode_at), (Some(0x65), 2));
    }
}
