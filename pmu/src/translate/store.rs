//! The cache's memory: room for code, the writes that fill it, the state map, and the exits.

use super::block::Special;
use super::gpr::Gpr;
use super::layout::{Layout, SHARDS, Slot};
use super::piece::Piece;
use super::routines::Routines;
use super::state::{Map, Shape, Spilled};
use super::writes::Writes;

/// What an exit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitKind {
    /// An indirect branch to an address that is not in the tables.
    Miss,
    /// A direct branch whose target was not translated when this was emitted.
    Branch,
    /// A counter has arrived at 0. Unless the next branch is the last one to count, the thread goes on at
    /// `resume`. `lost`: flags are overwritten.
    Stop { lost: bool, resume: u64 },
    /// Registers are those of the check.
    Check,
    /// The code is not what the block was made of.
    Stale,
    /// That branch has executed.
    Reached,
    /// An instruction for the embedder, and its length.
    Special { special: Special, len: u8 },
}

/// One place where code leaves the cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExitRecord {
    pub(super) kind: ExitKind,
    /// The application's address there; nothing for [`ExitKind::Miss`].
    pub(super) rip: u64,
}

/// Index of the exit for misses.
pub(super) const MISS: u32 = 0;

/// There is no room left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// The memory of the cache. Code that runs often grows from the start, exit stubs and constants from
/// the end.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) layout: Layout,
    pub(super) writes: Writes,
    pub(super) map: Map,
    pub(super) routines: Routines,
    /// The application address at which the hot code's end goes on, if it falls into what comes next.
    pub(super) falls_into: Option<u64>,
    exits: Vec<ExitRecord>,
    hot: u64,
    cold: u64,
    shard: usize,
}

/// Bytes that stay free between hot and cold code, for [`Store::end_here`].
const RESERVE_BYTES: u64 = 32;

/// Bytes that a stub takes at most: a register restored, the exit word, the jump.
const STUB_BYTES: u64 = 7 + 10 + 5;

impl Store {
    /// With the shared routines in place; none if even those do not fit.
    pub(super) fn new(layout: Layout) -> Option<Self> {
        let mut store = Self {
            hot: layout.code.start,
            cold: layout.code.end,
            layout,
            writes: Writes::default(),
            map: Map::default(),
            routines: Routines::default(),
            falls_into: None,
            exits: Vec::new(),
            shard: 0,
        };
        store.start().ok()?;
        Some(store)
    }

    /// Forgets everything but the routines, which are written again.
    pub(super) fn clear(&mut self) -> Result<(), Full> {
        self.map.clear();
        self.exits.clear();
        self.hot = self.layout.code.start;
        self.cold = self.layout.code.end;
        self.falls_into = None;
        self.start()
    }

    fn start(&mut self) -> Result<(), Full> {
        self.exits.push(ExitRecord {
            kind: ExitKind::Miss,
            rip: 0,
        });
        self.routines = super::routines::emit(self)?;
        Ok(())
    }

    /// The counter for the next branch.
    pub(super) const fn next_shard(&mut self) -> usize {
        self.shard = (self.shard + 1) % SHARDS;
        self.shard
    }

    pub(super) fn exit(&self, index: u32) -> Option<ExitRecord> {
        self.exits.get(usize::try_from(index).ok()?).copied()
    }

    pub(super) fn add_exit(&mut self, kind: ExitKind, rip: u64) -> Result<u32, Full> {
        let index = u32::try_from(self.exits.len()).map_err(|_| Full)?;
        self.exits.push(ExitRecord { kind, rip });
        Ok(index)
    }

    /// Bytes in use.
    pub(super) const fn used(&self) -> u64 {
        (self.hot - self.layout.code.start) + (self.layout.code.end - self.cold)
    }

    /// A piece at the place where hot code goes on.
    pub(super) const fn hot_piece(&self) -> Piece {
        Piece::new(self.hot, &self.layout)
    }

    /// Takes a finished hot piece.
    pub(super) fn finish_hot(&mut self, piece: Piece) -> Result<(), Full> {
        let base = piece.base();
        let end = piece.here();
        if base != self.hot || end + RESERVE_BYTES > self.cold {
            return Err(Full);
        }
        let (bytes, points) = piece.finish().ok_or(Full)?;
        self.hot = end;
        self.falls_into = None;
        self.writes.bytes(base, &bytes);
        self.map.insert(base, end - base, points);
        Ok(())
    }

    /// Ends the hot code where it would fall into a block that did not fit, in the bytes reserved for that.
    pub(super) fn end_here(&mut self) {
        let Some(rip) = self.falls_into.take() else {
            return;
        };
        let exit = self.exits.len();
        self.exits.push(ExitRecord {
            kind: ExitKind::Branch,
            rip,
        });
        let mut piece = self.hot_piece();
        let index = u32::try_from(exit).unwrap_or(u32::MAX);
        leave(&mut piece, index, self.routines.gate, Shape::exact(rip));
        let (base, end) = (piece.base(), piece.here());
        debug_assert!(end <= self.cold, "there is a reserve");
        if let Some((bytes, points)) = piece.finish() {
            self.hot = end;
            self.writes.bytes(base, &bytes);
            self.map.insert(base, end - base, points);
        }
    }

    /// Room for cold bytes.
    fn take_cold(&mut self, len: u64, alignment: u64) -> Result<u64, Full> {
        let at = self.cold.checked_sub(len).ok_or(Full)?;
        let at = at - at % alignment;
        if at < self.hot + RESERVE_BYTES {
            return Err(Full);
        }
        self.cold = at;
        Ok(at)
    }

    /// A constant; returns where it is.
    pub(super) fn cold_constant(&mut self, value: u64) -> Result<u64, Full> {
        let at = self.take_cold(8, 8)?;
        self.writes.bytes(at, &value.to_le_bytes());
        Ok(at)
    }

    /// Cold code of at most `len` bytes; returns where it is.
    pub(super) fn cold_code(
        &mut self,
        len: u64,
        emit: impl FnOnce(&mut Piece),
    ) -> Result<u64, Full> {
        let at = self.take_cold(len, 1)?;
        let mut piece = Piece::new(at, &self.layout);
        emit(&mut piece);
        let end = piece.here();
        let (bytes, points) = piece.finish().ok_or(Full)?;
        if end > at + len {
            return Err(Full);
        }
        self.writes.bytes(at, &bytes);
        self.map.insert(at, end - at, points);
        Ok(at)
    }

    /// A stub that leaves through a new exit at an address of the application. `shape` is what holds
    /// there; of registers, only `rcx` may be spilled, and is restored.
    pub(super) fn stub(&mut self, kind: ExitKind, rip: u64, shape: Shape) -> Result<u64, Full> {
        let exit = self.add_exit(kind, rip)?;
        let gate = self.routines.gate;
        self.cold_code(STUB_BYTES, |piece| {
            piece.shape(shape);
            if shape.spilled == Spilled::RCX {
                piece.load(Gpr::RCX, Slot::RCX);
            }
            leave(piece, exit, gate, shape);
        })
    }
}

/// Leaves through an exit.
pub(super) fn leave(piece: &mut Piece, exit: u32, gate: u64, shape: Shape) {
    piece.shape(Shape {
        spilled: Spilled::NONE,
        ..shape
    });
    piece.store_constant(Slot::EXIT, exit);
    piece.jump(gate);
}
