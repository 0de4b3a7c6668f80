//! Which instructions count: the one definition that every software counter shares.

use iced_x86::{Decoder, DecoderError, DecoderOptions, FlowControl, Instruction};

/// The longest x86 instruction.
pub const INSTRUCTION_BYTES_MAX: usize = 15;

/// What a step over the instruction at some address does to the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// One conditional branch, taken or not. It counts once it has executed: a branch that a fault
    /// keeps from executing does not.
    Counts,
    /// Anything else, illegal instructions included.
    Free,
    /// The bytes end before the instruction does.
    Incomplete,
}

/// Whether a step over the instruction at the start of `code` counts.
///
/// Conditional branches are `jcc`, `jrcxz`, `jecxz`, `loop`, `loope` and `loopne`. `cmov`, `setcc`
/// and `rep` prefixes are none.
#[must_use]
pub fn step(code: &[u8]) -> Step {
    let code = code.get(..INSTRUCTION_BYTES_MAX).unwrap_or(code);
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let instruction = decoder.decode();
    if instruction.is_invalid() && decoder.last_error() == DecoderError::NoMoreBytes {
        return Step::Incomplete;
    }
    if is_counted(&instruction) {
        Step::Counts
    } else {
        Step::Free
    }
}

/// Whether an instruction is a conditional branch.
pub(super) fn is_counted(instruction: &Instruction) -> bool {
    instruction.flow_control() == FlowControl::ConditionalBranch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditional_branches_count_and_nothing_else() {
        let counts: [&[u8]; 9] = [
            &[0x74, 0x00],
            &[0x7f, 0x80],
            &[0x0f, 0x8f, 0, 0, 0, 0],
            &[0x2e, 0x75, 0x01],
            &[0xe3, 0x00],
            &[0x67, 0xe3, 0x00],
            &[0xe2, 0xfe],
            &[0xe1, 0xfe],
            &[0xe0, 0xfe],
        ];
        for code in counts {
            assert_eq!(step(code), Step::Counts, "{code:x?}");
        }
        let free: [&[u8]; 9] = [
            &[0x90],
            &[0xeb, 0x00],
            &[0xe8, 0, 0, 0, 0],
            &[0xc3],
            &[0x0f, 0x44, 0xc1],
            &[0x0f, 0x94, 0xc0],
            &[0xf3, 0xa6],
            &[0xff, 0xe0],
            &[0x06; 15],
        ];
        for code in free {
            assert_eq!(step(code), Step::Free, "{code:x?}");
        }
        for code in [&[][..], &[0x0f], &[0x0f, 0x84, 0], &[0x67, 0xe3]] {
            assert_eq!(step(code), Step::Incomplete, "{code:x?}");
        }
    }
}
