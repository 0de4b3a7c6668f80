//! Emission of one block.

use super::block::{Block, Condition, End};
use super::blocks::REDIRECT_BYTES;
use super::check::Check;
use super::count::{self, Counting, Place};
use super::gpr::Gpr;
use super::indirect;
use super::insn::{Insn, Moved};
use super::layout::Slot;
use super::piece::Piece;
use super::state::{Flags, Rip, Shape, Spilled};
use super::store::{ExitKind, Full, Store, leave};

/// What a block is emitted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    /// To run.
    Run,
    /// The count is reached with the block's branch, which is counted already: execute it, then leave.
    /// `lost`: flags are overwritten at its start.
    Finish {
        /// See there.
        lost: bool,
    },
}

/// How a block is emitted.
pub(super) struct How<'a> {
    pub(super) mode: Mode,
    /// How its branch is counted; none if it is not.
    pub(super) counting: Option<Counting>,
    /// With an entry for indirect branches.
    pub(super) indirect: bool,
    /// Where blocks are that exist already.
    pub(super) known: &'a dyn Fn(u64) -> Option<u64>,
    /// The block that it falls through into comes right behind it.
    pub(super) followed: bool,
    /// What is checked before its first instruction.
    pub(super) check: Option<&'a Check>,
}

/// A displacement that leads to the block of an application address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// Where the displacement stands.
    pub(super) site: u64,
    /// The application address.
    pub(super) target: u64,
}

/// Where a block is.
#[derive(Debug)]
pub(super) struct Emitted {
    /// Its entry with all registers in place.
    pub(super) plain: u64,
    /// The same behind the check; the same address if there is none.
    pub(super) past_check: u64,
    /// Its entry with the registers of an indirect branch spilled.
    pub(super) indirect: Option<u64>,
    pub(super) links: Vec<Link>,
}

/// Emits a block at the end of the hot code.
pub(super) fn block(store: &mut Store, block: &Block, how: &How<'_>) -> Result<Emitted, Full> {
    let piece = store.hot_piece();
    let mut emitter = Emitter {
        store,
        piece,
        how,
        links: Vec::new(),
        start: block.start,
        plain: 0,
        pending: matches!(how.mode, Mode::Finish { .. }),
        flags: match how.mode {
            Mode::Finish { lost: true } => Flags::Lost,
            _ => Flags::Exact,
        },
    };
    let indirect = how.indirect.then(|| {
        emitter.piece.align(16);
        let at = emitter.piece.here();
        indirect::restore(&mut emitter.piece, block.start);
        at
    });
    let plain = emitter.piece.here();
    emitter.plain = plain;
    if let Some(check) = how.check {
        emitter.check(check)?;
    }
    let past_check = emitter.piece.here();
    if let Some(bytes) = block.verified.as_deref().filter(|_| how.mode == Mode::Run) {
        emitter.verify(block.start, bytes)?;
    }
    emitter.body(block)?;
    let Emitter { piece, links, .. } = emitter;
    store.finish_hot(piece)?;
    Ok(Emitted {
        plain,
        past_check,
        indirect,
        links,
    })
}

/// The emission of one block.
pub(super) struct Emitter<'a> {
    pub(super) store: &'a mut Store,
    pub(super) piece: Piece,
    how: &'a How<'a>,
    links: Vec<Link>,
    /// The block's own address and entry.
    start: u64,
    plain: u64,
    pending: bool,
    flags: Flags,
}

impl Emitter<'_> {
    pub(super) fn shape(&self, at: u64) -> Shape {
        Shape {
            pending: self.pending,
            flags: self.flags,
            ..Shape::exact(at)
        }
    }

    fn body(&mut self, block: &Block) -> Result<(), Full> {
        let place = match self.how.mode {
            Mode::Run => self
                .how
                .counting
                .and_then(|counting| count::place(block, counting)),
            Mode::Finish { .. } => None,
        };
        for (index, insn) in block.insns.iter().enumerate() {
            self.count(place, index, insn.at)?;
            self.copy(insn, None)?;
            // Whatever was lost, this instruction has overwritten.
            self.flags = Flags::Exact;
        }
        match &block.last {
            End::Branch {
                at,
                condition,
                taken,
            } => {
                self.count(place, block.insns.len(), *at)?;
                self.branch(*at, *condition, *taken, block.end)
            }
            End::Jump { at, target } => self.go(*target, *at),
            End::Call { at, target } => {
                let shape = self.shape(*at);
                self.piece.shape(shape);
                self.push(block.end)?;
                self.go(*target, *target)
            }
            End::JumpTo { load } => {
                self.spill_indirect(load.at);
                self.target(load)?;
                self.lookup();
                Ok(())
            }
            End::CallTo { load } => {
                self.spill_indirect(load.at);
                self.target(load)?;
                // The call has not happened until its return address is on the stack.
                let shape = self.shape(load.at);
                self.piece.shape(Shape {
                    spilled: Spilled::INDIRECT,
                    ..shape
                });
                self.push(block.end)?;
                self.lookup();
                Ok(())
            }
            End::Return { at, extra } => {
                self.spill_indirect(*at);
                self.pop_target(*extra);
                self.lookup();
                Ok(())
            }
            End::Leave { at, len, special } => {
                let kind = ExitKind::Special {
                    special: *special,
                    len: *len,
                };
                self.leave(kind, *at)
            }
            End::Continue if self.how.followed => {
                self.fill(block.end);
                Ok(())
            }
            End::Continue => self.go(block.end, block.end),
        }
    }

    /// A block that falls into the next has the bytes that are overwritten when it is dropped for itself.
    fn fill(&mut self, end: u64) {
        let len = self.piece.here() - self.plain;
        let shape = self.shape(end);
        self.piece.shape(shape);
        self.piece.skip(REDIRECT_BYTES.saturating_sub(len));
    }

    /// Counts, if this is the place.
    fn count(&mut self, place: Option<Place>, index: usize, at: u64) -> Result<(), Full> {
        match place {
            Some(Place::Free(here)) if here == index => self.count_free(at),
            Some(Place::Preserving(here)) if here == index => self.count_preserving(at),
            _ => Ok(()),
        }
    }

    fn count_free(&mut self, at: u64) -> Result<(), Full> {
        let before = self.shape(at);
        self.piece.shape(before);
        self.piece.increment(Slot::counter(self.store.next_shard()));
        self.pending = true;
        self.flags = Flags::Lost;
        let after = self.shape(at);
        let stop = ExitKind::Stop {
            lost: true,
            resume: self.piece.here() + 6,
        };
        let stub = self.store.stub(stop, at, after)?;
        self.piece.shape(after);
        self.piece.jump_if(0x9, stub);
        Ok(())
    }

    /// `rcx` counts: nothing of it changes flags.
    fn count_preserving(&mut self, at: u64) -> Result<(), Full> {
        let shape = self.shape(at);
        self.piece.shape(shape);
        self.piece.store(Slot::RCX, Gpr::RCX);
        self.piece.shape(Shape {
            spilled: Spilled::RCX,
            ..shape
        });
        let counter = Slot::counter(self.store.next_shard());
        self.piece.load(Gpr::RCX, counter);
        self.piece.raw(&[0x48, 0x8d, 0x49, 0x01]); // lea rcx, [rcx + 1]
        self.piece.store(counter, Gpr::RCX);
        self.pending = true;
        let counted = Shape {
            spilled: Spilled::RCX,
            ..self.shape(at)
        };
        let stop = ExitKind::Stop {
            lost: false,
            // Behind jrcxz, nop and the load.
            resume: self.piece.here() + 2 + 8 + 7,
        };
        let stub = self.store.stub(stop, at, counted)?;
        self.piece.shape(counted);
        self.piece.jump_if_rcx_is_0(stub);
        self.piece.load(Gpr::RCX, Slot::RCX);
        Ok(())
    }

    /// Copies an instruction. `spilled`: the registers of an indirect branch are, and `rdx` may be used.
    pub(super) fn copy(&mut self, insn: &Insn, spilled: Option<Spilled>) -> Result<(), Full> {
        let shape = Shape {
            spilled: spilled.unwrap_or_default(),
            ..self.shape(insn.at)
        };
        self.piece.shape(shape);
        match insn.moved(self.piece.here()).ok_or(Full)? {
            Moved::Same(bytes) => self.piece.raw(bytes.as_slice()),
            Moved::Constant { register, value } => self.piece.constant(register, value),
            Moved::Through {
                bytes,
                scratch,
                address,
            } if spilled.is_some() => {
                self.piece.constant64(scratch, address);
                self.piece.raw(bytes.as_slice());
            }
            Moved::Through {
                bytes,
                scratch,
                address,
            } => {
                self.piece.store(Slot::SCRATCH, scratch);
                let held = Shape {
                    scratch: Some(scratch),
                    ..shape
                };
                self.piece.shape(held);
                self.piece.constant64(scratch, address);
                self.piece.raw(bytes.as_slice());
                self.piece.shape(Shape {
                    rip: Rip::At(insn.decoded.next_ip()),
                    flags: Flags::Exact,
                    ..held
                });
                self.piece.load(scratch, Slot::SCRATCH);
            }
        }
        Ok(())
    }

    fn branch(&mut self, at: u64, condition: Condition, taken: u64, fall: u64) -> Result<(), Full> {
        let shape = self.shape(at);
        self.piece.shape(shape);
        // Behind it the branch has executed.
        self.pending = false;
        let taken_at = self.destination(taken)?;
        let site = match condition {
            Condition::Flags(condition) => self.piece.jump_if(condition, taken_at),
            Condition::Rcx {
                opcode,
                short_address,
            } => {
                self.piece.raw(&[0x67][usize::from(!short_address)..]);
                self.piece.raw(&[opcode, 2]);
                let fallen = self.shape(fall);
                self.piece.shape(fallen);
                self.piece.raw(&[0xeb, 5]);
                let gone = self.shape(taken);
                self.piece.shape(gone);
                self.piece.jump(taken_at)
            }
        };
        if self.how.mode != Mode::Run {
            return self.leave(ExitKind::Reached, fall);
        }
        self.links.push(Link {
            site,
            target: taken,
        });
        if self.how.followed {
            return Ok(());
        }
        self.go(fall, fall)
    }

    /// Where a branch to an application address goes for now.
    fn destination(&mut self, target: u64) -> Result<u64, Full> {
        let shape = self.shape(target);
        if self.how.mode != Mode::Run {
            return self.store.stub(ExitKind::Reached, target, shape);
        }
        if target == self.start {
            return Ok(self.plain);
        }
        match (self.how.known)(target) {
            Some(at) => Ok(at),
            None => self.store.stub(ExitKind::Branch, target, shape),
        }
    }

    /// Jumps to the block of an application address.
    fn go(&mut self, target: u64, at: u64) -> Result<(), Full> {
        let shape = self.shape(at);
        self.piece.shape(shape);
        let destination = self.destination(target)?;
        let site = self.piece.jump(destination);
        if self.how.mode == Mode::Run {
            self.links.push(Link { site, target });
        }
        Ok(())
    }

    /// Leaves right here.
    fn leave(&mut self, kind: ExitKind, at: u64) -> Result<(), Full> {
        let shape = self.shape(at);
        let exit = self.store.add_exit(kind, at)?;
        leave(&mut self.piece, exit, self.store.routines.gate, shape);
        Ok(())
    }

    /// Pushes a return address, in one instruction: there is nothing in between.
    fn push(&mut self, address: u64) -> Result<(), Full> {
        let [a, b, c, d, high @ ..] = address.to_le_bytes();
        if high == [0; 4] && d < 0x80 {
            self.piece.raw(&[0x68, a, b, c, d]);
        } else {
            let constant = self.store.cold_constant(address)?;
            self.piece.raw(&[0xff, 0x35]);
            self.piece.relative(constant);
        }
        Ok(())
    }
}
