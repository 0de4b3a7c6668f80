//! A check of the application's registers before one of its instructions, in the cache.
//!
//! Each register is compared by the difference to what is wanted, in `rcx`, with `lea`: no flags change.
//! The first comparison is where the thread comes along, all others are in cold code, so that a visit
//! with another first register costs five instructions.

use super::emit::{Emitter, Mode};
use super::gpr::Gpr;
use super::layout::Slot;
use super::piece::Piece;
use super::source::Code;
use super::state::{AppState, Shape, Spilled};
use super::store::{ExitKind, Full, leave};
use super::translator::{TranslateError, Translator};
use crate::Regs;

/// What a thread is to be stopped at: an address, and what the registers are to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// The address is `rip`. The sixteen general registers and the flags count, but for the trap and
    /// resume flags; all else does not.
    pub regs: Regs,
    /// Words of memory that have these values there. A thread with the same registers and another value in one of
    /// them does not come out; what else its memory has is the embedder's business. They must be readable wherever the
    /// address is reached with these registers.
    pub words: [Option<Word>; WORDS_MAX],
}

/// A word in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Its address.
    pub address: u64,
    /// Its four bytes as a number. The least one that there is is not compared.
    pub value: i32,
}

/// Words that are compared at most.
pub const WORDS_MAX: usize = 16;

/// Flags that belong to whoever steps a thread.
const NOT_COMPARED: u64 = 1 << 8 | 1 << 16;

impl Check {
    /// A check of registers only.
    #[must_use]
    pub const fn of(regs: Regs) -> Self {
        Self {
            regs,
            words: [None; WORDS_MAX],
        }
    }

    /// Whether an application with these registers is where the check wants it.
    pub(super) fn matches(&self, regs: &Regs) -> bool {
        let mut general = Gpr::BY_CHANGE.into_iter();
        regs.rip == self.regs.rip
            && general.all(|gpr| gpr.get(regs) == gpr.get(&self.regs))
            && (regs.eflags ^ self.regs.eflags) & !NOT_COMPARED == 0
    }

    /// The registers in the order in which they are compared. `rcx`, where the differences go, is the first
    /// if its own needs no other register.
    fn order(&self) -> [Gpr; 16] {
        let mut order = Gpr::BY_CHANGE;
        if offset(self.regs.rcx).is_none() {
            order.swap(0, 1);
        }
        order
    }
}

/// The displacement that makes 0 of a value, if there is one.
fn offset(value: u64) -> Option<i32> {
    i32::try_from(value.wrapping_neg().cast_signed()).ok()
}

/// Bytes of the comparison of one register, and of what follows it.
const COMPARED_BYTES: u64 = 10 + 4 + 2 + 5;
/// The same for `rcx` where that needs `rax`.
const COMPARED_RCX_BYTES: u64 = 7 + 10 + 7 + 4 + 7 + 2 + 5;
/// Bytes of the comparison of one word.
const COMPARED_WORD_BYTES: u64 = 10 + 3 + 7 + 2 + 5;
/// Bytes of all comparisons but the first, and of what leaves.
const REST_BYTES: u64 =
    14 * COMPARED_BYTES + COMPARED_RCX_BYTES + WORDS_MAX as u64 * COMPARED_WORD_BYTES + 7 + 15;

/// Bytes of [`Piece::jump_if_rcx_is_0`].
const JUMP_BYTES: u64 = 10;

impl Emitter<'_> {
    /// Leaves if the registers are those of the check; all are in place before and behind it.
    pub(super) fn check(&mut self, check: &Check) -> Result<(), Full> {
        let at = check.regs.rip;
        let shape = self.shape(at);
        let held = Shape {
            spilled: Spilled::RCX,
            ..shape
        };
        let [first, rest @ ..] = check.order();
        self.piece.shape(shape);
        self.piece.store(Slot::RCX, Gpr::RCX);
        self.piece.shape(held);
        difference(&mut self.piece, first, first.get(&check.regs));
        let differs = self.piece.here() + JUMP_BYTES;
        let exit = self.store.add_exit(ExitKind::Check, at)?;
        let gate = self.store.routines.gate;
        let equal = self.store.cold_code(REST_BYTES, |piece| {
            piece.shape(held);
            for gpr in rest {
                let value = gpr.get(&check.regs);
                if gpr == Gpr::RCX {
                    saved_difference(piece, value, held);
                } else {
                    difference(piece, gpr, value);
                }
                piece.raw(&[0xe3, 5]); // jrcxz over the
                piece.jump(differs);
            }
            for word in check.words.into_iter().flatten() {
                let Some(offset) = word.value.checked_neg() else {
                    continue;
                };
                piece.constant64(Gpr::RCX, word.address);
                piece.raw(&[0x48, 0x63, 0x09]); // movsxd rcx, dword [rcx]
                piece.sum_with_offset(Gpr::RCX, Gpr::RCX, offset);
                piece.raw(&[0xe3, 5]); // jrcxz over the
                piece.jump(differs);
            }
            piece.load(Gpr::RCX, Slot::RCX);
            leave(piece, exit, gate, shape);
        })?;
        self.piece.jump_if_rcx_is_0(equal);
        debug_assert_eq!(self.piece.here(), differs);
        self.piece.load(Gpr::RCX, Slot::RCX);
        self.piece.shape(shape);
        Ok(())
    }
}

/// `rcx` becomes the difference of a register and a value. Of `rcx` itself, the displacement has to do.
fn difference(piece: &mut Piece, gpr: Gpr, value: u64) {
    if let Some(offset) = offset(value) {
        piece.sum_with_offset(Gpr::RCX, gpr, offset);
    } else {
        piece.constant64(Gpr::RCX, value.wrapping_neg());
        piece.add_to_rcx(gpr);
    }
}

/// The same of the application's `rcx`, which is in its slot.
fn saved_difference(piece: &mut Piece, value: u64, held: Shape) {
    piece.store(Slot::RAX, Gpr::RAX);
    piece.shape(Shape {
        spilled: held.spilled.and(Spilled::RAX),
        ..held
    });
    piece.constant64(Gpr::RAX, value.wrapping_neg());
    piece.load(Gpr::RCX, Slot::RCX);
    piece.add_to_rcx(Gpr::RAX);
    piece.load(Gpr::RAX, Slot::RAX);
    piece.shape(held);
}

impl Translator {
    /// Sets what a thread is to be stopped at, in place of what was set before; none for nothing.
    ///
    /// Whenever a thread in the cache is about to execute the instruction at the check's address, with the
    /// check's registers and flags, it comes out with [`Exit::Matched`](super::Exit::Matched). That
    /// includes one that enters at that address, a second time for the same visit, too. A thread that
    /// arrives at its stop comes out with [`Exit::Reached`](super::Exit::Reached) first, and is checked
    /// when it enters. A string instruction with a `rep` prefix is checked before its first iteration,
    /// and where a thread enters in the middle of it.
    ///
    /// Blocks with code at the address are dropped, so the rule of [`Translator::invalidate`] holds: no
    /// thread may be left inside the cache.
    pub fn set_check(&mut self, check: Option<Check>) {
        if self.check == check {
            return;
        }
        let old = std::mem::replace(&mut self.check, check);
        for Check { regs, .. } in old.into_iter().chain(check) {
            self.invalidate(regs.rip..regs.rip.saturating_add(1));
        }
    }

    /// The address in the cache at which a thread goes on from an application state without being checked
    /// there: from an [`Exit::Matched`](super::Exit::Matched) that turned out to be none. Else like
    /// [`Translator::enter`].
    ///
    /// # Errors
    ///
    /// As for [`Translator::enter`].
    pub fn pass(&mut self, code: &dyn Code, state: &AppState) -> Result<u64, TranslateError> {
        if state.left == 0 {
            return Err(TranslateError::Arrived);
        }
        let past = self.past_check(code, state.regs.rip)?;
        self.start_counters(state.left);
        Ok(past)
    }

    /// Where a block begins behind its check, if it has one.
    pub(super) fn past_check(&mut self, code: &dyn Code, at: u64) -> Result<u64, TranslateError> {
        let plain = self.ensure(code, at, Mode::Run, false)?;
        let entry = self.blocks.get(&(at, Mode::Run));
        Ok(entry.map_or(plain, |entry| entry.past_check))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tracer_sets_and_nothing_else_may_differ() {
        let regs = Regs {
            rip: 7,
            rsp: 9,
            eflags: 0x246,
            ..Regs::default()
        };
        let check = Check::of(regs);
        let other = Regs {
            eflags: 0x246 | NOT_COMPARED,
            fs_base: 1,
            cs: 2,
            orig_rax: 3,
            ..regs
        };
        assert!(check.matches(&other));
        assert!(!check.matches(&Regs { rip: 8, ..regs }));
        for bit in (0..64).filter(|bit| NOT_COMPARED >> bit & 1 == 0) {
            let eflags = regs.eflags ^ 1 << bit;
            assert!(!check.matches(&Regs { eflags, ..regs }), "flag {bit}");
        }
        for gpr in Gpr::BY_CHANGE {
            let mut other = regs;
            gpr.set(&mut other, gpr.get(&regs) ^ 1 << 63);
            assert!(!check.matches(&other), "{gpr:?}");
        }
    }

    #[test]
    fn the_displacement_is_what_makes_0() {
        assert_eq!(offset(0), Some(0));
        assert_eq!(offset(5), Some(-5));
        assert_eq!(offset(1 << 31), Some(i32::MIN));
        assert_eq!(offset((1 << 31) + 1), None);
        assert_eq!(offset(0u64.wrapping_sub(i32::MAX as u64)), Some(i32::MAX));
        assert_eq!(offset(0u64.wrapping_sub(1 << 31)), None);
        assert_eq!(offset(1 << 63), None);
    }
}
