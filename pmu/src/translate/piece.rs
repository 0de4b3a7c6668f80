//! A piece of code being generated: its bytes and its part of the state map.

use super::gpr::Gpr;
use super::insn::displacement;
use super::layout::{Layout, Slot};
use super::state::{Point, Shape};
use iced_x86::Register;

/// Code for a known address.
#[derive(Debug)]
pub(super) struct Piece {
    base: u64,
    bytes: Vec<u8>,
    points: Vec<Point>,
    data: u64,
    /// Something does not reach: the piece is not to be used.
    broken: bool,
}

impl Piece {
    pub(super) const fn new(base: u64, layout: &Layout) -> Self {
        Self {
            base,
            bytes: Vec::new(),
            points: Vec::new(),
            data: layout.data,
            broken: false,
        }
    }

    pub(super) const fn base(&self) -> u64 {
        self.base
    }

    /// The address of what comes next.
    pub(super) fn here(&self) -> u64 {
        self.base.wrapping_add(self.bytes.len() as u64)
    }

    /// Bytes and points; none if something did not reach.
    pub(super) fn finish(self) -> Option<(Vec<u8>, Vec<Point>)> {
        (!self.broken).then_some((self.bytes, self.points))
    }

    /// What holds from here on.
    pub(super) fn shape(&mut self, shape: Shape) {
        let Ok(offset) = u32::try_from(self.bytes.len()) else {
            self.broken = true;
            return;
        };
        match self.points.last_mut() {
            Some(last) if last.shape == shape => {}
            Some(last) if last.offset == offset => last.shape = shape,
            _ => self.points.push(Point { offset, shape }),
        }
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// The last four bytes of an instruction: a displacement to a target. Returns where it stands.
    pub(super) fn relative(&mut self, target: u64) -> u64 {
        let site = self.here();
        self.relative_before(target, 0);
        site
    }

    /// A displacement with so many bytes of the instruction behind it.
    fn relative_before(&mut self, target: u64, behind: u64) {
        let end = self.here().wrapping_add(4 + behind);
        if let Some(bytes) = displacement(end, target) {
            self.raw(&bytes);
        } else {
            self.broken = true;
            self.raw(&[0; 4]);
        }
    }

    /// `mov [slot], gpr`
    pub(super) fn store(&mut self, slot: Slot, gpr: Gpr) {
        self.slot_move(0x89, slot, gpr);
    }

    /// `mov gpr, [slot]`
    pub(super) fn load(&mut self, gpr: Gpr, slot: Slot) {
        self.slot_move(0x8b, slot, gpr);
    }

    fn slot_move(&mut self, opcode: u8, slot: Slot, gpr: Gpr) {
        let rex = 0x48 | u8::from(gpr.is_extended()) << 2;
        self.raw(&[rex, opcode, 0x05 | gpr.low() << 3]);
        self.relative(self.data + slot.offset());
    }

    /// `inc qword [slot]`
    pub(super) fn increment(&mut self, slot: Slot) {
        self.raw(&[0x48, 0xff, 0x05]);
        self.relative(self.data + slot.offset());
    }

    /// `mov dword [slot], value`
    pub(super) fn store_constant(&mut self, slot: Slot, value: u32) {
        self.raw(&[0xc7, 0x05]);
        self.relative_before(self.data + slot.offset(), 4);
        self.raw(&value.to_le_bytes());
    }

    /// `lea gpr, [address]`; no extended register.
    pub(super) fn address(&mut self, gpr: Gpr, address: u64) {
        self.raw(&[0x48, 0x8d, 0x05 | gpr.low() << 3]);
        self.relative(address);
    }

    /// `jmp target`; returns where the displacement stands.
    pub(super) fn jump(&mut self, target: u64) -> u64 {
        self.raw(&[0xe9]);
        self.relative(target)
    }

    /// Jumps if `rcx` is 0, without flags. `jrcxz` reaches only what is near, so the jump hides in the
    /// address of a `nop`.
    pub(super) fn jump_if_rcx_is_0(&mut self, target: u64) {
        self.raw(&[0xe3, 3]); // jrcxz to the last operand byte of
        self.raw(&[0x0f, 0x1f, 0x84]); // nop [rcx + 8 * rbp + ...]
        self.jump(target);
    }

    /// `lea to, [base + offset]`; `to` is no extended register.
    pub(super) fn sum_with_offset(&mut self, to: Gpr, base: Gpr, offset: i32) {
        self.raw(&[0x48 | u8::from(base.is_extended()), 0x8d]);
        self.raw(&[0x80 | to.low() << 3 | base.low()]);
        if base.low() == Gpr::RSP.low() {
            self.raw(&[0x24]);
        }
        self.raw(&offset.to_le_bytes());
    }

    /// `lea rcx, [rcx + gpr]`
    pub(super) fn add_to_rcx(&mut self, gpr: Gpr) {
        // The stack pointer cannot be an index.
        let (base, index) = match gpr {
            Gpr::RSP => (gpr, Gpr::RCX),
            _ => (Gpr::RCX, gpr),
        };
        self.raw(&[0x48 | u8::from(index.is_extended()) << 1, 0x8d, 0x0c]);
        self.raw(&[index.low() << 3 | base.low()]);
    }

    /// `jcc target` for the low half of its opcode; returns where the displacement stands.
    pub(super) fn jump_if(&mut self, condition: u8, target: u64) -> u64 {
        self.raw(&[0x0f, 0x80 | condition]);
        self.relative(target)
    }

    /// `mov register, value`, without touching flags.
    pub(super) fn constant(&mut self, register: Register, value: u64) {
        let Some(gpr) = Gpr::of(register) else {
            self.broken = true;
            return;
        };
        let extended = u8::from(gpr.is_extended());
        let opcode = 0xb8 | gpr.low();
        let bytes = value.to_le_bytes();
        match register.size() {
            8 if bytes[4..] != [0; 4] => {
                self.raw(&[0x48 | extended, opcode]);
                self.raw(&bytes);
            }
            4 | 8 => {
                self.raw(&[0x40 | extended, opcode][usize::from(extended == 0)..]);
                self.raw(&bytes[..4]);
            }
            2 => {
                self.raw(&[0x66]);
                self.raw(&[0x40 | extended, opcode][usize::from(extended == 0)..]);
                self.raw(&bytes[..2]);
            }
            _ => self.broken = true,
        }
    }

    /// `mov gpr, value`, all 64 bits; no extended register.
    pub(super) fn constant64(&mut self, gpr: Gpr, value: u64) {
        let bytes = value.to_le_bytes();
        if bytes[4..] == [0; 4] {
            self.raw(&[0xb8 | gpr.low()]);
            self.raw(&bytes[..4]);
        } else {
            self.raw(&[0x48, 0xb8 | gpr.low()]);
            self.raw(&bytes);
        }
    }

    /// So many bytes (four at most) that do nothing.
    pub(super) fn skip(&mut self, len: u64) {
        let nop: &[u8] = match len {
            0 => &[],
            1 => &[0x90],
            2 => &[0x66, 0x90],
            3 => &[0x0f, 0x1f, 0x00],
            _ => &[0x0f, 0x1f, 0x40, 0x00],
        };
        self.raw(nop);
    }

    /// Fills up to a multiple of `alignment` with `int3`, which nothing arrives at.
    pub(super) fn align(&mut self, alignment: u64) {
        while !self.here().is_multiple_of(alignment) {
            self.raw(&[0xcc]);
        }
    }
}
