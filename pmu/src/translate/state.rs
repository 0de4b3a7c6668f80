//! The state map: for every instruction in the cache, where the application is and where its registers
//! are.

use super::data::Data;
use super::gpr::Gpr;
use super::layout::Slot;
use crate::Regs;
use std::collections::BTreeMap;

/// Where the application's instruction pointer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rip {
    /// It is this.
    At(u64),
    /// `rdx` holds it.
    InRdx,
    /// [`Slot::TARGET`] holds it.
    InTarget,
    /// The exit whose index is in [`Slot::EXIT`] knows it.
    OfExit,
}

/// Where the application's arithmetic flags are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flags {
    /// In the flags register.
    Exact,
    /// Overwritten; an application's instruction that overwrites them all comes right away.
    Lost,
    /// In [`Slot::FLAGS`].
    Saved,
}

/// A set of spilled registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Spilled(u8);

/// Registers that have a slot of their own.
const SPILLABLE: [(Gpr, Slot); 4] = [
    (Gpr::RAX, Slot::RAX),
    (Gpr::RCX, Slot::RCX),
    (Gpr::RDX, Slot::RDX),
    (Gpr::RBX, Slot::RBX),
];

impl Spilled {
    pub(super) const NONE: Self = Self(0);
    pub(super) const RAX: Self = Self(1);
    pub(super) const RCX: Self = Self(2);
    pub(super) const RDX: Self = Self(4);
    pub(super) const RBX: Self = Self(8);
    /// The registers of an indirect branch.
    pub(super) const INDIRECT: Self = Self(7);

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn slots(self) -> impl Iterator<Item = (Gpr, Slot)> {
        SPILLABLE
            .into_iter()
            .enumerate()
            .filter(move |(index, _)| self.0 >> index & 1 == 1)
            .map(|(_, pair)| pair)
    }
}

/// What holds when the thread is about to execute an instruction in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) rip: Rip,
    pub(super) spilled: Spilled,
    /// The register whose value is in [`Slot::SCRATCH`].
    pub(super) scratch: Option<Gpr>,
    pub(super) flags: Flags,
    /// Whether the counter has counted a branch that is still to execute.
    pub(super) pending: bool,
    /// `rax`, `rcx` and `r11` as the gate leaves them.
    pub(super) gate: bool,
}

impl Shape {
    /// Everything where the application has it, at one of its addresses.
    pub(super) const fn exact(at: u64) -> Self {
        Self {
            rip: Rip::At(at),
            spilled: Spilled::NONE,
            scratch: None,
            flags: Flags::Exact,
            pending: false,
            gate: false,
        }
    }
}

/// Where a thread is, as the application sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppState {
    /// The registers; `rip` is an application address, and `orig_rax` that of a thread in no system call.
    pub regs: Regs,
    /// Conditional branches until the stop. At 0 the thread has arrived there.
    pub left: u64,
}

/// Why no application state can be told at a point, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Roll {
    /// Let the thread execute one more instruction, then ask again; at most eight times.
    #[error("the thread is between two application states: one more step is needed")]
    Step,
    /// The thread has arrived at an exit: it is to be handled with
    /// [`Translator::exit`](super::Translator::exit), which knows how to go on.
    #[error("the thread is leaving the cache: the exit is to be handled")]
    Exit,
    /// It is not executing in the cache: its registers are the application's already.
    #[error("the thread is outside the cache")]
    Outside,
}

/// The arithmetic flags in `eflags`: CF, PF, AF, ZF, SF, OF.
const ARITHMETIC: u64 = 0x8d5;

/// `eflags` with the arithmetic flags from `ax` after `lahf; seto al`.
pub(super) fn unpack_flags(eflags: u64, ax: u64) -> u64 {
    let low = ax >> 8 & ARITHMETIC & 0xff;
    let overflow = (ax & 1) << 11;
    eflags & !ARITHMETIC | low | overflow
}

/// Registers undone, except for the instruction pointer.
pub(super) fn restore(shape: &Shape, regs: &mut Regs, data: &Data) {
    // In no system call: what the kernel might restart is the gate's, not the application's.
    regs.orig_rax = u64::MAX;
    for (gpr, slot) in shape.spilled.slots() {
        gpr.set(regs, data.get(slot));
    }
    if let Some(gpr) = shape.scratch {
        gpr.set(regs, data.get(Slot::SCRATCH));
    }
    if shape.gate {
        regs.rax = data.get(Slot::RAX);
        regs.rcx = data.get(Slot::RCX);
        regs.r11 = data.get(Slot::R11);
    }
    if shape.flags == Flags::Saved {
        regs.eflags = unpack_flags(regs.eflags, data.get(Slot::FLAGS));
    }
}

/// A shape that holds from an offset of a piece on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) offset: u32,
    pub(super) shape: Shape,
}

/// Shapes of all code in the cache.
#[derive(Debug, Default)]
pub(super) struct Map {
    pieces: BTreeMap<u64, Piece>,
}

#[derive(Debug)]
struct Piece {
    len: u64,
    points: Box<[Point]>,
}

impl Map {
    /// Adds a piece of code at an address.
    pub(super) fn insert(&mut self, at: u64, len: u64, points: Vec<Point>) {
        let points = points.into_boxed_slice();
        self.pieces.insert(at, Piece { len, points });
    }

    /// What holds at an address; none if no code is there.
    pub(super) fn shape(&self, at: u64) -> Option<Shape> {
        let (start, piece) = self.pieces.range(..=at).next_back()?;
        let offset = at - start;
        if offset >= piece.len {
            return None;
        }
        let after = piece
            .points
            .partition_point(|point| u64::from(point.offset) <= offset);
        Some(piece.points.get(after.checked_sub(1)?)?.shape)
    }

    pub(super) fn clear(&mut self) {
        self.pieces.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_back_from_ax() {
        // CF and OF; the interrupt flag stays.
        assert_eq!(unpack_flags(0x202, 0x0301), 0xa03);
        assert_eq!(unpack_flags(0xad7, 0x0200), 0x202);
        assert_eq!(unpack_flags(0x202, 0xd700), 0x2d7);
    }

    #[test]
    fn an_address_has_the_shape_of_the_point_before_it() {
        let mut map = Map::default();
        let point = |offset, at| Point {
            offset,
            shape: Shape::exact(at),
        };
        map.insert(100, 10, vec![point(0, 1), point(4, 2)]);
        map.insert(120, 2, vec![point(0, 3)]);
        let rip = |at| map.shape(at).map(|shape| shape.rip);
        assert_eq!(rip(99), None);
        assert_eq!(rip(100), Some(Rip::At(1)));
        assert_eq!(rip(103), Some(Rip::At(1)));
        assert_eq!(rip(109), Some(Rip::At(2)));
        assert_eq!(rip(110), None);
        assert_eq!(rip(121), Some(Rip::At(3)));
    }
}
