//! The translator: blocks, links between them, and what the embedder drives.

use super::block::Special;
use super::blocks::{Entry, Key};
use super::check::Check;
use super::count::Counting;
use super::data::{self, Data};
use super::emit::Mode;
use super::layout::{Layout, LayoutError, SHARDS, Slot};
use super::routines;
use super::source::Code;
use super::state::{AppState, Flags, Rip, Roll, Shape, restore};
use super::store::{ExitKind, Full, Store};
use super::table::Table;
use super::uncounted::Ranges;
use super::writes::Writes;
use crate::Regs;
use rustc_hash::FxHashMap;
use std::ops::Range;

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Blocks that are translated at a time at most, beginning with the one that is needed and going on
    /// with those to which it leads; 1 translates nothing ahead.
    pub eager_blocks: usize,
    /// How conditional branches are counted.
    pub counting: Counting,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            eager_blocks: 32,
            counting: Counting::default(),
        }
    }
}

/// Why something cannot be translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// A single block does not fit into the empty cache.
    #[error("the code cache is too small for the code at {0:#x}")]
    CacheTooSmall(u64),
    /// A thread came through the gate with an exit that does not exist: the data area was overwritten.
    #[error("the code cache was left through exit {0}, which does not exist")]
    NoSuchExit(u32),
    /// There is no branch left to execute before the stop.
    #[error("a thread that has arrived cannot enter the code cache")]
    Arrived,
    /// The thread is not at the gate.
    #[error("the thread at {0:#x} is not leaving the code cache")]
    NotAtGate(u64),
}

/// What a thread that left the cache needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing but to go on: with these registers, whose `rip` is in the cache.
    Resume(Regs),
    /// The application is right behind the conditional branch that it was to be stopped at:
    /// [`AppState::left`] is 0.
    Reached(AppState),
    /// The application is about to execute the instruction at the check's address, with the check's registers
    /// and flags. It goes on with [`Translator::pass`].
    Matched(AppState),
    /// The application is about to execute an instruction that the cache does not.
    Special {
        /// Which.
        special: Special,
        /// Its length; 0 if that is not known.
        len: u8,
        /// Where, and with what registers. It has not executed.
        state: AppState,
    },
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Blocks translated.
    pub blocks: u64,
    /// Bytes of application code in them.
    pub app_bytes: u64,
    /// Times that the cache was emptied because it was full.
    pub flushes: u64,
    /// Blocks dropped because their code changed.
    pub dropped: u64,
    /// Exits for a direct branch whose target was not translated.
    pub branch_exits: u64,
    /// Exits for an indirect branch whose target was not in the tables.
    pub miss_exits: u64,
    /// Exits because one counter was used up while another was not.
    pub counter_exits: u64,
    /// Exits because registers were those of the check, whether the flags were or not.
    pub check_exits: u64,
    /// Exits because code was not what a block was made of.
    pub stale_exits: u64,
    /// Bytes of the code region in use.
    pub used_bytes: u64,
}

/// Translates application code into a code cache. It touches no memory: everything that it wants written
/// is in [`Translator::take_writes`], which has to be applied before a thread runs in the cache again.
#[derive(Debug)]
pub struct Translator {
    pub(super) options: Options,
    pub(super) store: Store,
    pub(super) table: Table,
    pub(super) blocks: FxHashMap<Key, Entry>,
    /// Blocks that have bytes on a page, by the page's number. May name blocks that are gone.
    pub(super) pages: FxHashMap<u64, Vec<Key>>,
    pub(super) new_pages: Vec<u64>,
    /// Displacements that lead to an application address.
    pub(super) links: FxHashMap<u64, Vec<u64>>,
    /// What a thread is to be stopped at.
    pub(super) check: Option<Check>,
    /// Where nothing counts.
    pub(super) uncounted: Ranges,
    pub(super) statistics: Statistics,
}

impl Translator {
    /// A translator for an empty cache.
    ///
    /// # Errors
    ///
    /// If the layout cannot be used.
    pub fn new(layout: Layout, options: Options) -> Result<Self, LayoutError> {
        layout.check()?;
        let size = layout.code.end - layout.code.start;
        let mut store = Store::new(layout).ok_or(LayoutError::CodeSize(size))?;
        let table = Table::new(&store.layout, &mut store.writes);
        Ok(Self {
            options,
            store,
            table,
            blocks: FxHashMap::default(),
            pages: FxHashMap::default(),
            new_pages: Vec::new(),
            links: FxHashMap::default(),
            check: None,
            uncounted: Ranges::default(),
            statistics: Statistics::default(),
        })
    }

    /// The writes to make, in order, before a thread runs in the cache again.
    pub fn take_writes(&mut self) -> Writes {
        std::mem::take(&mut self.store.writes)
    }

    /// Pages (addresses of their first bytes) with code that was translated since this was last asked, and
    /// none before or none since it was dropped. They are to be watched for writes.
    pub fn take_new_pages(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.new_pages)
    }

    /// Address of the gate's `syscall` instruction, through which all exits go.
    #[must_use]
    pub const fn gate_address(&self) -> u64 {
        self.store.routines.syscall
    }

    /// Whether an address is in the code region.
    #[must_use]
    pub fn contains(&self, address: u64) -> bool {
        self.store.layout.code.contains(&address)
    }

    /// What happened so far.
    #[must_use]
    pub const fn statistics(&self) -> Statistics {
        Statistics {
            used_bytes: self.store.used(),
            ..self.statistics
        }
    }

    /// The address in the cache at which a thread with the application's registers goes on from the
    /// application address `at`, to stop right behind the `left`th conditional branch from there.
    /// Translates what is needed, and some of what follows. `left` is 1 at least; `u64::MAX` is never.
    ///
    /// # Errors
    ///
    /// If `left` is 0, or if the cache is too small even for one block.
    pub fn enter(&mut self, code: &dyn Code, at: u64, left: u64) -> Result<u64, TranslateError> {
        if left == 0 {
            return Err(TranslateError::Arrived);
        }
        let entry = self.ensure(code, at, Mode::Run, false)?;
        self.start_counters(left);
        Ok(entry)
    }

    pub(super) fn start_counters(&mut self, left: u64) {
        self.set_counters(left, &[0; SHARDS]);
    }

    fn set_counters(&mut self, left: u64, expected: &[u64; SHARDS]) {
        let at = self.store.layout.data;
        self.store.writes.bytes(at, &data::counters(left, expected));
    }

    /// Handles a thread that stopped at the gate: `regs.rip` is [`Translator::gate_address`], or two bytes behind it.
    ///
    /// # Errors
    ///
    /// If it is not there, if the exit word makes no sense, or if the cache is too small.
    pub fn exit(
        &mut self,
        code: &dyn Code,
        regs: &Regs,
        data: &Data,
    ) -> Result<Exit, TranslateError> {
        let gate = self.store.routines.syscall;
        if regs.rip != gate && regs.rip != gate + routines::SYSCALL_BYTES {
            return Err(TranslateError::NotAtGate(regs.rip));
        }
        let index = data.exit();
        let record = self
            .store
            .exit(index)
            .ok_or(TranslateError::NoSuchExit(index))?;
        let shape = Shape {
            gate: true,
            ..Shape::exact(0)
        };
        let mut app = *regs;
        restore(&shape, &mut app, data);
        app.rip = record.rip;
        let mut resume = |translator: &mut Self, at, mode, indirect| {
            app.rip = translator.ensure(code, at, mode, indirect)?;
            Ok(Exit::Resume(app))
        };
        match record.kind {
            ExitKind::Miss => {
                self.statistics.miss_exits += 1;
                let target = data.get(Slot::TARGET);
                resume(self, target, Mode::Run, true)
            }
            ExitKind::Branch => {
                self.statistics.branch_exits += 1;
                resume(self, record.rip, Mode::Run, false)
            }
            ExitKind::Stop { lost, .. } if data.left() == 0 => {
                resume(self, record.rip, Mode::Finish { lost }, false)
            }
            ExitKind::Stop { resume, .. } => {
                self.statistics.counter_exits += 1;
                self.set_counters(data.left(), &data.counted());
                app.rip = resume;
                Ok(Exit::Resume(app))
            }
            ExitKind::Check => {
                self.statistics.check_exits += 1;
                if self.check.is_some_and(|check| check.matches(&app)) {
                    let left = data.left();
                    return Ok(Exit::Matched(AppState { regs: app, left }));
                }
                app.rip = self.past_check(code, record.rip)?;
                Ok(Exit::Resume(app))
            }
            ExitKind::Stale => {
                self.statistics.stale_exits += 1;
                resume(self, record.rip, Mode::Run, false)
            }
            ExitKind::Reached => Ok(Exit::Reached(AppState {
                regs: app,
                left: data.left(),
            })),
            ExitKind::Special { special, len } => Ok(Exit::Special {
                special,
                len,
                state: AppState {
                    regs: app,
                    left: data.left(),
                },
            }),
        }
    }

    /// Where the application is, given a stopped thread's registers and the data area. Pure: neither the
    /// thread nor the translator changes.
    ///
    /// # Errors
    ///
    /// [`Roll`] says what to do first.
    pub fn application_state(&self, regs: &Regs, data: &Data) -> Result<AppState, Roll> {
        if !self.contains(regs.rip) {
            return Err(Roll::Outside);
        }
        let gate = self.store.routines.syscall;
        let shape = self.store.map.shape(regs.rip);
        // Behind the gate, in padding, or where nothing ever was: no thread gets there.
        let mut shape = shape.ok_or(Roll::Exit)?;
        let mut app = *regs;
        restore(&shape, &mut app, data);
        app.rip = match shape.rip {
            Rip::At(at) => at,
            Rip::InRdx => regs.rdx,
            Rip::InTarget => data.get(Slot::TARGET),
            Rip::OfExit => {
                let record = self.store.exit(data.exit()).ok_or(Roll::Exit)?;
                match record.kind {
                    ExitKind::Miss => data.get(Slot::TARGET),
                    ExitKind::Stop { lost, .. } => {
                        if lost {
                            shape.flags = Flags::Lost;
                        }
                        shape.pending = true;
                        record.rip
                    }
                    _ => record.rip,
                }
            }
        };
        if shape.flags == Flags::Lost {
            let at_gate = regs.rip == gate || regs.rip == gate + routines::SYSCALL_BYTES;
            return Err(if at_gate { Roll::Exit } else { Roll::Step });
        }
        Ok(AppState {
            regs: app,
            left: data.left() + u64::from(shape.pending),
        })
    }

    /// Drops all blocks with code in a range of application addresses, because it changed or went away.
    /// Whatever leads to them leads out of the cache from now on. No thread may be left inside the cache: of
    /// those that are, take the application's state first, and let them enter again.
    pub fn invalidate(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let pages = range.start >> 12..=(range.end - 1) >> 12;
        let few = pages.end() - pages.start() < self.pages.len() as u64;
        let found: Vec<u64> = if few {
            pages.filter(|page| self.pages.contains_key(page)).collect()
        } else {
            let known = self.pages.keys().copied();
            known.filter(|page| pages.contains(page)).collect()
        };
        let mut dropped = Vec::new();
        for page in found {
            let Some(keys) = self.pages.remove(&page) else {
                continue;
            };
            let mut left = Vec::new();
            for key in keys {
                let Some(entry) = self.blocks.get(&key) else {
                    continue;
                };
                if entry.start < range.end && range.start < entry.end {
                    dropped.extend(self.blocks.remove(&key).map(|entry| (key, entry)));
                } else {
                    left.push(key);
                }
            }
            if !left.is_empty() {
                self.pages.insert(page, left);
            }
        }
        let is_full = dropped
            .into_iter()
            .any(|(key, entry)| self.redirect(key, &entry).is_err());
        if is_full {
            self.flush();
        }
    }

    /// Makes the entry of a dropped block leave the cache. Whatever jumps or falls into it, or finds it in
    /// a table, comes out there.
    fn redirect(&mut self, key: Key, entry: &Entry) -> Result<(), Full> {
        self.statistics.dropped += 1;
        if key.1 != Mode::Run {
            // Only exits lead there.
            return Ok(());
        }
        let shape = Shape::exact(entry.start);
        let stub = self.store.stub(ExitKind::Branch, entry.start, shape)?;
        self.store.writes.bytes(entry.plain, &[0xe9]);
        if !self.store.writes.link(entry.plain + 1, stub) {
            return Err(Full);
        }
        if let Some(link) = entry.early
            && let Some(sites) = self.links.get_mut(&link.target)
        {
            sites.retain(|site| *site != link.site);
        }
        let sites = self.links.entry(entry.start).or_default();
        sites.push(entry.plain + 1);
        Ok(())
    }

    /// Empties the cache. No thread may be left inside it.
    pub fn flush(&mut self) {
        self.blocks.clear();
        self.pages.clear();
        self.new_pages.clear();
        self.links.clear();
        self.table.clear(&mut self.store.writes);
        self.statistics.flushes += 1;
        // The routines fitted before.
        let fits = self.store.clear().is_ok();
        debug_assert!(fits, "the routines fit");
    }
}

#[cfg(test)]
#[path = "translator_tests.rs"]
mod tests;
