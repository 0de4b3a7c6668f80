//! Indirect branches: from an application address in `rdx` to its block.

use super::emit::Emitter;
use super::gpr::Gpr;
use super::insn::Insn;
use super::layout::Slot;
use super::piece::Piece;
use super::state::{Rip, Shape, Spilled};
use super::store::Full;

/// What an entry for indirect branches does first.
pub(super) fn restore(piece: &mut Piece, start: u64) {
    let shape = Shape::exact(start);
    let mut spilled = Spilled::INDIRECT;
    for (gpr, slot, left) in [
        (Gpr::RAX, Slot::RAX, Spilled::RCX.and(Spilled::RDX)),
        (Gpr::RCX, Slot::RCX, Spilled::RDX),
        (Gpr::RDX, Slot::RDX, Spilled::NONE),
    ] {
        piece.shape(Shape { spilled, ..shape });
        piece.load(gpr, slot);
        spilled = left;
    }
    piece.shape(shape);
}

impl Emitter<'_> {
    pub(super) fn spill_indirect(&mut self, at: u64) {
        let shape = self.shape(at);
        self.piece.shape(shape);
        self.piece.store(Slot::RAX, Gpr::RAX);
        self.piece.store(Slot::RCX, Gpr::RCX);
        self.piece.store(Slot::RDX, Gpr::RDX);
        self.piece.shape(Shape {
            spilled: Spilled::INDIRECT,
            ..shape
        });
    }

    /// The target of an indirect branch to `rdx`.
    pub(super) fn target(&mut self, load: &Insn) -> Result<(), Full> {
        self.copy(load, Some(Spilled::INDIRECT))
    }

    /// The return address to `rdx`, off the stack.
    pub(super) fn pop_target(&mut self, extra: u16) {
        if extra == 0 {
            self.piece.raw(&[0x5a]); // pop rdx
            return;
        }
        self.piece.raw(&[0x48, 0x8b, 0x14, 0x24]); // mov rdx, [rsp]
        self.piece.raw(&[0x48, 0x8d, 0xa4, 0x24]); // lea rsp, [rsp + ...]
        self.piece.raw(&(u32::from(extra) + 8).to_le_bytes());
    }

    /// Goes to the block of the application address in `rdx`. Flags stay as they are.
    pub(super) fn lookup(&mut self) {
        let layout = &self.store.layout;
        let shape = Shape {
            rip: Rip::InRdx,
            spilled: Spilled::INDIRECT,
            ..self.shape(0)
        };
        self.piece.shape(shape);
        self.piece.address(Gpr::RAX, layout.near_table());
        self.piece.raw(&[0x0f, 0xb7, 0xca]); // movzx ecx, dx
        self.piece.raw(&[0x48, 0x8d, 0x04, 0xc8]); // lea rax, [rax + 8 * rcx]
        self.piece.raw(&[0x48, 0x8d, 0x04, 0xc8]); // lea rax, [rax + 8 * rcx]
        self.piece.raw(&[0x48, 0x8b, 0x08]); // mov rcx, [rax]: the negative key
        self.piece.raw(&[0x48, 0x8d, 0x0c, 0x11]); // lea rcx, [rcx + rdx]
        self.piece.raw(&[0xe3, 5]); // jrcxz over the
        self.piece.jump(self.store.routines.lookup);
        self.piece.raw(&[0xff, 0x60, 0x08]); // jmp [rax + 8]
    }
}
