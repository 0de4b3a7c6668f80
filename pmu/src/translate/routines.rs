//! Code that all blocks share: the gate to the supervisor and the second step of the lookup of indirect
//! branches. It lies at the start of the code region.

use super::gpr::Gpr;
use super::layout::{FAR_ENTRIES, Slot};
use super::piece::Piece;
use super::state::{Flags, Rip, Shape, Spilled};
use super::store::{Full, MISS, Store};
use super::table::{HASH_FACTOR, HASH_SHIFT};

/// The number in `rax` at the gate's `syscall`: none that a kernel has.
pub const GATE_SYSCALL: u64 = 0x7fff_f7e5;

/// Where they are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Routines {
    /// Leaves with the index in [`Slot::EXIT`]; all registers are the application's.
    pub(super) gate: u64,
    /// The gate's `syscall` instruction.
    pub(super) syscall: u64,
    /// Looks the target in `rdx` up in the far table; `rax` is the address of its entry in the near table;
    /// `rax`, `rcx` and `rdx` are spilled.
    pub(super) lookup: u64,
}

/// Bytes of the `syscall` instruction.
pub(super) const SYSCALL_BYTES: u64 = 2;

pub(super) fn emit(store: &mut Store) -> Result<Routines, Full> {
    let mut piece = store.hot_piece();
    let gate = piece.here();
    let syscall = emit_gate(&mut piece);
    piece.align(64);
    let lookup = piece.here();
    emit_lookup(&mut piece, gate, store.layout.far_table());
    piece.align(64);
    store.finish_hot(piece)?;
    Ok(Routines {
        gate,
        syscall,
        lookup,
    })
}

/// `rax` gets the number; `syscall` itself overwrites `rcx` and `r11`.
fn emit_gate(piece: &mut Piece) -> u64 {
    let shape = Shape {
        rip: Rip::OfExit,
        ..Shape::exact(0)
    };
    piece.shape(shape);
    piece.store(Slot::RAX, Gpr::RAX);
    piece.store(Slot::RCX, Gpr::RCX);
    piece.store(Slot::R11, Gpr::R11);
    piece.shape(Shape {
        gate: true,
        ..shape
    });
    piece.constant64(Gpr::RAX, GATE_SYSCALL);
    let syscall = piece.here();
    piece.raw(&[0x0f, 0x05]);
    // The supervisor resumes elsewhere. If it does not, there is nothing right to do.
    piece.raw(&[0x0f, 0x0b]);
    syscall
}

/// Linear probing in the far table. What it finds it copies into the near table, so that the next time
/// the branch does not come here.
fn emit_lookup(piece: &mut Piece, gate: u64, far_table: u64) {
    let [mask_a, mask_b, mask_c, mask_d, ..] = ((FAR_ENTRIES - 1) << 4).to_le_bytes();
    let [shift, ..] = (HASH_SHIFT - 4).to_le_bytes();
    let in_rdx = Shape {
        rip: Rip::InRdx,
        spilled: Spilled::INDIRECT,
        ..Shape::exact(0)
    };
    let inside = Shape {
        rip: Rip::InTarget,
        spilled: Spilled::INDIRECT.and(Spilled::RBX),
        flags: Flags::Saved,
        ..in_rdx
    };
    piece.shape(in_rdx);
    piece.store(Slot::TARGET, Gpr::RDX);
    piece.store(Slot::RBX, Gpr::RBX);
    piece.shape(Shape {
        flags: Flags::Exact,
        ..inside
    });
    piece.raw(&[0x48, 0x89, 0xc3]); // mov rbx, rax
    piece.raw(&[0x9f, 0x0f, 0x90, 0xc0]); // lahf; seto al
    piece.store(Slot::FLAGS, Gpr::RAX);
    piece.shape(inside);
    piece.raw(&[0x48, 0x69, 0xca]); // imul rcx, rdx, factor
    piece.raw(&HASH_FACTOR.to_le_bytes());
    piece.raw(&[0x48, 0xc1, 0xe9, shift]); // shr rcx, shift
    piece.raw(&[0x81, 0xe1, mask_a, mask_b, mask_c, mask_d]); // and ecx, mask
    piece.address(Gpr::RAX, far_table);
    // loop:
    let loop_start = piece.here();
    piece.raw(&[0x48, 0x83, 0x3c, 0x08, 0x00]); // cmp qword [rax + rcx], 0
    piece.raw(&[0x74, 17 + HIT_BYTES]); // je miss
    piece.raw(&[0x48, 0x39, 0x14, 0x08]); // cmp [rax + rcx], rdx
    piece.raw(&[0x74, 11]); // je hit
    piece.raw(&[0x83, 0xc1, 0x10]); // add ecx, 16
    piece.raw(&[0x81, 0xe1, mask_a, mask_b, mask_c, mask_d]); // and ecx, mask
    let back = piece.here() + 2 - loop_start;
    piece.raw(&[0xeb, 0u8.wrapping_sub(back.to_le_bytes()[0])]); // jmp loop
    // hit:
    let hit = piece.here();
    piece.raw(&[0x48, 0x8b, 0x4c, 0x08, 0x08]); // mov rcx, [rax + rcx + 8]
    // Preempted in between, the thread may enter again and find the entry as it is then. So first a key
    // that no address with this entry has: minus the target, inverted (its lowest bit is wrong).
    piece.raw(&[0x48, 0x8d, 0x42, 0xff]); // lea rax, [rdx - 1]
    piece.raw(&[0x48, 0x89, 0x03]); // mov [rbx], rax
    piece.raw(&[0x48, 0x89, 0x4b, 0x08]); // mov [rbx + 8], rcx
    piece.raw(&[0x48, 0x89, 0xd0]); // mov rax, rdx
    piece.raw(&[0x48, 0xf7, 0xd8]); // neg rax
    piece.raw(&[0x48, 0x89, 0x03]); // mov [rbx], rax
    restore_flags_and_rbx(piece, inside);
    piece.raw(&[0xff, 0xe1]); // jmp rcx: restores the rest
    debug_assert_eq!(piece.here() - hit, u64::from(HIT_BYTES));
    // miss:
    piece.shape(inside);
    restore_flags_and_rbx(piece, inside);
    piece.load(Gpr::RAX, Slot::RAX);
    piece.load(Gpr::RCX, Slot::RCX);
    piece.load(Gpr::RDX, Slot::RDX);
    piece.shape(Shape {
        rip: Rip::InTarget,
        ..Shape::exact(0)
    });
    piece.store_constant(Slot::EXIT, MISS);
    piece.jump(gate);
}

/// Bytes from `hit` to `miss`.
const HIT_BYTES: u8 = 5 + 4 + 3 + 4 + 3 + 3 + 3 + 17 + 2;

/// `mov rax, [flags]; add al, 127; sahf; mov rbx, [rbx's slot]`: 17 bytes.
fn restore_flags_and_rbx(piece: &mut Piece, inside: Shape) {
    piece.load(Gpr::RAX, Slot::FLAGS);
    piece.raw(&[0x04, 0x7f, 0x9e]);
    piece.shape(Shape {
        flags: Flags::Exact,
        ..inside
    });
    piece.load(Gpr::RBX, Slot::RBX);
    piece.shape(Shape {
        flags: Flags::Exact,
        spilled: Spilled::INDIRECT,
        ..inside
    });
}
