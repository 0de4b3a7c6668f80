//! The translator's blocks: what is translated, in which order, and how blocks find each other.

use super::block::{self, Block, End, Special};
use super::emit::{self, Emitted, How, Link, Mode};
use super::indirect;
use super::source::{Code, Window};
use super::store::Full;
use super::translator::{TranslateError, Translator};

/// A block in the cache.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its addresses in the application.
    pub(super) start: u64,
    /// See there.
    pub(super) end: u64,
    /// Its entry with all registers in place.
    pub(super) plain: u64,
    /// The same behind the check; the same address if there is none.
    pub(super) past_check: u64,
    /// Its entry with the registers of an indirect branch spilled.
    pub(super) indirect: Option<u64>,
    /// The code that it was made of, if that may change without anybody saying so.
    pub(super) verified: Option<Box<[u8]>>,
    /// A link in the bytes that are overwritten when it is dropped. The others may stay: the code that
    /// they are in is not reached any more.
    pub(super) early: Option<Link>,
}

/// Bytes of the jump that is written over a block's start.
pub(super) const REDIRECT_BYTES: u64 = 5;

/// Identifies a block: its address and what it is for.
pub(super) type Key = (u64, Mode);

/// A block about to be translated.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    at: u64,
    indirect: bool,
}

impl Translator {
    /// The entry of a block, which is translated if need be.
    pub(super) fn ensure(
        &mut self,
        code: &dyn Code,
        at: u64,
        mode: Mode,
        indirect: bool,
    ) -> Result<u64, TranslateError> {
        self.drop_if_stale(code, (at, mode));
        for _ in 0..2 {
            if let Some(entry) = self.blocks.get(&(at, mode)) {
                let (plain, lacks) = (entry.plain, entry.indirect.is_none());
                if !indirect || !lacks || self.add_indirect(at).is_ok() {
                    return Ok(plain);
                }
            } else {
                let result = self.translate(code, at, mode, indirect);
                if result.is_err() {
                    self.store.end_here();
                }
                if let Some(entry) = self.blocks.get(&(at, mode)) {
                    // What was to follow may not have fitted; that is for the next time.
                    return Ok(entry.plain);
                }
                debug_assert!(result.is_err(), "what was wanted is there");
            }
            self.flush();
        }
        Err(TranslateError::CacheTooSmall(at))
    }

    /// Translates a block and, within the budget, what it leads to.
    fn translate(
        &mut self,
        code: &dyn Code,
        at: u64,
        mode: Mode,
        indirect: bool,
    ) -> Result<(), Full> {
        let mut window = Window::new(code, &self.store.layout.code);
        let mut budget = self.options.eager_blocks.max(1);
        let mut wanted = vec![Wanted { at, indirect }];
        while let Some(first) = wanted.pop() {
            let exists = self.blocks.get(&(first.at, mode));
            if let Some(entry) = exists {
                if first.indirect && entry.indirect.is_none() {
                    self.add_indirect(first.at)?;
                }
                continue;
            }
            let mut next = Some(first);
            while let Some(this) = next.take() {
                if budget == 0 {
                    return Ok(());
                }
                budget -= 1;
                let block = block::decode(&mut window, this.at, self.limit(this.at));
                let follower = follower(&block)
                    .filter(|at| mode == Mode::Run && budget > 0 && *at != block.start)
                    .filter(|at| !self.blocks.contains_key(&(*at, mode)))
                    // One that indirect branches know begins with what only they need.
                    .filter(|at| !self.table.contains(*at));
                if mode == Mode::Run {
                    successors(&block, &mut wanted);
                }
                self.add(block, mode, this.indirect, follower.is_some())?;
                next = follower.map(|at| Wanted {
                    at,
                    indirect: false,
                });
            }
        }
        Ok(())
    }

    /// Where a block that begins at `at` has to end: what is counted and what is not are never in one, and
    /// what is checked is at a block's start.
    fn limit(&self, at: u64) -> Option<u64> {
        let check = self.check.map(|check| check.regs.rip);
        let boundary = self.uncounted.boundary_behind(at);
        check
            .filter(|check| *check > at)
            .into_iter()
            .chain(boundary)
            .min()
    }

    /// Emits a block and links it. If there is no room, what falls into it leaves the cache instead.
    fn add(
        &mut self,
        block: Block,
        mode: Mode,
        indirect: bool,
        followed: bool,
    ) -> Result<(), Full> {
        let known_target = self.table.contains(block.start);
        let indirect = mode == Mode::Run && (indirect || known_target);
        let blocks = &self.blocks;
        let check = self
            .check
            .filter(|check| mode == Mode::Run && check.regs.rip == block.start);
        let known = |at| blocks.get(&(at, Mode::Run)).map(|entry| entry.plain);
        let how = How {
            mode,
            counting: self
                .is_counted(block.start)
                .then_some(self.options.counting),
            indirect,
            known: &known,
            followed,
            check: check.as_ref(),
        };
        if indirect && !known_target && !self.table.has_room() {
            return Err(Full);
        }
        let emitted = emit::block(&mut self.store, &block, &how)?;
        self.store.falls_into = follower(&block).filter(|_| followed);
        self.register(block, mode, emitted)
    }

    fn register(&mut self, block: Block, mode: Mode, emitted: Emitted) -> Result<(), Full> {
        let key = (block.start, mode);
        self.statistics.blocks += 1;
        self.statistics.app_bytes += block.end.saturating_sub(block.start);
        for page in block.start >> 12..=(block.end - 1) >> 12 {
            let keys = self.pages.entry(page).or_default();
            if keys.is_empty() {
                self.new_pages.push(page << 12);
            }
            keys.push(key);
        }
        let entry = Entry {
            start: block.start,
            end: block.end,
            plain: emitted.plain,
            past_check: emitted.past_check,
            indirect: emitted.indirect,
            verified: block.verified,
            early: emitted
                .links
                .iter()
                .find(|link| link.site < emitted.plain + REDIRECT_BYTES)
                .copied(),
        };
        self.blocks.insert(key, entry);
        if mode != Mode::Run {
            return Ok(());
        }
        for Link { site, target } in emitted.links {
            self.links.entry(target).or_default().push(site);
        }
        for site in self.links.get(&block.start).into_iter().flatten() {
            if !self.store.writes.link(*site, emitted.plain) {
                return Err(Full);
            }
        }
        match emitted.indirect {
            Some(at) => self.publish(block.start, at),
            None => Ok(()),
        }
    }

    /// Lets indirect branches to `at` find the code.
    fn publish(&mut self, at: u64, code: u64) -> Result<(), Full> {
        let inserted = self.table.insert(at, code, &mut self.store.writes);
        inserted.then_some(()).ok_or(Full)
    }

    /// Gives a block an entry for indirect branches.
    fn add_indirect(&mut self, at: u64) -> Result<(), Full> {
        let Some(entry) = self.blocks.get_mut(&(at, Mode::Run)) else {
            return Err(Full);
        };
        if !self.table.has_room() {
            return Err(Full);
        }
        let plain = entry.plain;
        let code = self.store.cold_code(THUNK_BYTES, |piece| {
            indirect::restore(piece, at);
            piece.jump(plain);
        })?;
        entry.indirect = Some(code);
        self.publish(at, code)
    }
}

/// Bytes of an entry for indirect branches that is apart from its block.
const THUNK_BYTES: u64 = 3 * 7 + 5;

/// The block that can be placed right behind another, so that one falls into the other.
fn follower(block: &Block) -> Option<u64> {
    match block.last {
        End::Branch { .. } | End::Continue => Some(block.end),
        _ => None,
    }
}

/// Adds where a block leads, the nearest last.
fn successors(block: &Block, wanted: &mut Vec<Wanted>) {
    let mut add = |at, indirect| wanted.push(Wanted { at, indirect });
    match block.last {
        End::Branch { taken, .. } => add(taken, false),
        End::Jump { target, .. } => add(target, false),
        End::Call { target, .. } => {
            add(target, false);
            add(block.end, true);
        }
        End::CallTo { .. } => add(block.end, true),
        // Behind one that the embedder executes the program goes on, as a rule.
        End::Leave {
            special: Special::Illegal | Special::Unreadable | Special::Hlt | Special::Int3,
            ..
        } => {}
        End::Leave { len, .. } if len > 0 => add(block.end, false),
        End::Leave { .. } | End::JumpTo { .. } | End::Return { .. } | End::Continue => {}
    }
}
