//! The vDSO's own `clock_gettime`, for the agent: its first instructions, over which a jump is
//! written, go on living in the unused end of the image; the others stay where they are, since they
//! refer to the kernel's data by their own address. Where it would make a syscall it returns.

use super::Patch;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};
use std::ops::Range;

/// Bytes at the end of the image that have to be zero: the kernel has nothing there.
const ROOM: usize = 64;
/// `nop`, as long as a `syscall`; the number of the syscall, which is not 0, is left in `eax`.
const NOTHING: [u8; 2] = [0x66, 0x90];

/// Where it will begin, and what has to be written for that, if `taken` bytes of it are going to be
/// overwritten. None: it is not certain that it would do the same.
pub(super) fn plan(image: &[u8], function: Range<u64>, taken: usize) -> Option<(u64, Vec<Patch>)> {
    let entry = usize::try_from(function.start).ok()?;
    let code = image.get(entry..usize::try_from(function.end).ok()?)?;
    let room = image.len().checked_sub(ROOM)?;
    if image.get(room..)?.iter().any(|&byte| byte != 0) {
        return None;
    }
    let mut patches = Vec::new();
    let mut moved = Vec::new();
    let mut targets = Vec::new();
    let mut decoder = Decoder::with_ip(64, code, function.start, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        let at = decoder.position();
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            return None;
        }
        let bytes = code.get(at..decoder.position())?;
        match instruction.flow_control() {
            FlowControl::Next | FlowControl::Return => {}
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch => {
                targets.push(instruction.near_branch_target());
            }
            // A helper, or what is about to become nothing.
            FlowControl::Call
                if instruction.mnemonic() == Mnemonic::Syscall
                    || instruction.near_branch_target() < room as u64 => {}
            _ => return None,
        }
        if at < taken {
            let plain = instruction.flow_control() == FlowControl::Next;
            if !plain {
                return None;
            }
            let mut copy = bytes.to_vec();
            if instruction.is_ip_rel_memory_operand() {
                let offsets = decoder.get_constant_offsets(&instruction);
                let field = offsets.displacement_offset()..offsets.displacement_offset() + 4;
                if offsets.displacement_size() != 4 {
                    return None;
                }
                let to = room + moved.len() + bytes.len();
                let by = instruction.ip_rel_memory_address().wrapping_sub(to as u64);
                let by = i32::try_from(by.cast_signed()).ok()?;
                copy.get_mut(field)?.copy_from_slice(&by.to_le_bytes());
            }
            moved.extend(copy);
        }
        if instruction.mnemonic() == Mnemonic::Syscall {
            if bytes.len() != NOTHING.len() {
                return None;
            }
            patches.push(Patch {
                offset: function.start + at as u64,
                code: NOTHING.to_vec(),
            });
        }
    }
    let back = function.start + moved.len() as u64;
    let overwritten = |target: &u64| *target >= function.start && *target < back;
    if targets.iter().any(overwritten) {
        return None;
    }
    let from = (room + moved.len() + JUMP_BYTES) as u64;
    let by = i32::try_from(back.wrapping_sub(from).cast_signed()).ok()?;
    moved.push(0xe9);
    moved.extend(by.to_le_bytes());
    if moved.len() > ROOM {
        return None;
    }
    let start = room as u64;
    patches.push(Patch {
        offset: start,
        code: moved,
    });
    Some((start, patches))
}

/// `jmp rel32`
const JUMP_BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    /// An image with one function: what `code` says, at 0x100.
    fn planned(code: &[u8], taken: usize) -> Option<(u64, Vec<Patch>)> {
        let mut image = vec![0; 0x1000];
        image[0x100..0x100 + code.len()].copy_from_slice(code);
        plan(&image, 0x100..0x100 + code.len() as u64, taken)
    }

    #[test]
    fn the_start_moves_and_syscalls_become_nothing() {
        // push rbp; lea r10, [rip + 0x10]; mov eax, 228; syscall; pop rbp; ret
        let code = [
            0x55, 0x4c, 0x8d, 0x15, 0x10, 0, 0, 0, 0xb8, 228, 0, 0, 0, 0x0f, 0x05, 0x5d, 0xc3,
        ];
        let (start, patches) = planned(&code, 5).expect("it can be");
        assert_eq!(start, 0x1000 - 64);
        let mut moved = vec![0x55, 0x4c, 0x8d, 0x15];
        // What it refers to: 0x118.
        moved.extend((0x118i32 - 0xfc8).to_le_bytes());
        moved.push(0xe9);
        moved.extend((0x108i32 - 0xfcd).to_le_bytes());
        let at = |offset, code| Patch { offset, code };
        assert_eq!(patches, vec![at(0x10d, vec![0x66, 0x90]), at(start, moved)]);
    }

    #[test]
    fn what_is_not_certain_is_refused() {
        let fine = [0x55, 0x48, 0x89, 0xe5, 0x90, 0x90, 0x5d, 0xc3];
        assert!(planned(&fine, 5).is_some());
        // A jump into what is overwritten, a jump in it, a call through a register, no instruction.
        for code in [
            &[0x55, 0x48, 0x89, 0xe5, 0x90, 0x90, 0xeb, 0xf9, 0xc3][..],
            &[0x55, 0xeb, 0x00, 0x90, 0x90, 0x90, 0xc3],
            &[0x55, 0x48, 0x89, 0xe5, 0x90, 0xff, 0xd0, 0xc3],
            &[0x55, 0x48, 0x89, 0xe5, 0x90, 0x06, 0xc3],
        ] {
            assert_eq!(planned(code, 5), None, "{code:x?}");
        }
        let mut full = vec![0x90; 0x1000];
        full[0x110] = 0xc3;
        assert_eq!(plan(&full, 0x100..0x111, 5), None);
        assert_eq!(plan(&full, 0x100..0x11_1111, 5), None);
        assert_eq!(plan(&[], 0..0, 5), None);
    }
}
