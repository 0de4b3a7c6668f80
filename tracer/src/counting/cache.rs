//! The code cache of one address space.

use super::code::{Executable, View};
use crate::agent::sites::Sites;
use crate::layout::{CACHE, CACHE_CODE_LEN, CACHE_LEN, PAGE, PAGE_LEN, PAGE_SYSCALL};
use crate::maps;
use crate::remote::{self, Met, RemoteError};
use crate::sys::mem::Remote;
use crate::sys::ptrace::{self, Stopped};
use crate::sys::wait::{Pid, Status};
use pmu::Regs;
use pmu::translate::Code;
use pmu::translate::{
    AppState, DATA_READ_BYTES, Data, Layout, Options, PagePolicy, Roll, TranslateError, Translator,
};
pub use pmu::translate::{Check, Exit, Word};
use std::io;
use std::ops::Range;

/// The number of branches that is never reached.
pub const FAR: u64 = 1 << 60;

/// Why a thread cannot be counted.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The application has memory there.
    #[error("the application's memory is where the code cache belongs ({0:#x})")]
    Occupied(u64),
    /// There is no memory for it.
    #[error("there is no memory for the code cache: {0}")]
    NoMemory(io::Error),
    /// The thread was killed, or stopped for something else.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The application's memory could not be looked at or changed.
    #[error("{what}: {error}")]
    Memory {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        error: io::Error,
    },
    /// The translator cannot go on.
    #[error(transparent)]
    Translate(#[from] TranslateError),
    /// It stands where no thread can stand.
    #[error("a thread has left the code cache by itself, to {0:#x}")]
    Lost(u64),
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> CacheError {
    move |error| CacheError::Memory { what, error }
}

/// Whether a range touches the memory of the code cache.
pub const fn occupies(range: &Range<u64>) -> bool {
    range.start < CACHE + CACHE_LEN && range.end > CACHE
}

/// The code cache of an address space.
#[derive(Debug)]
pub struct Cache {
    translator: Translator,
    executable: Option<Executable>,
    stepped: bool,
}

const LAYOUT_CODE: Range<u64> = CACHE..CACHE + CACHE_CODE_LEN;
const LAYOUT_DATA: u64 = CACHE + CACHE_CODE_LEN;

/// Makes a stopped thread map the memory of a code cache. Its registers are left changed.
pub fn place(stopped: Stopped, regs: &Regs, met: &mut Met) -> Result<Stopped, CacheError> {
    let prot = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    // There may be one already: of the replay that a takeover ended.
    let fixed = if has_one(stopped.tid()).map_err(failed("reading the memory map"))? {
        libc::MAP_FIXED
    } else {
        libc::MAP_FIXED_NOREPLACE
    };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | fixed;
    let words = |value: i32| u64::from(value.cast_unsigned());
    let args = [CACHE, CACHE_LEN, words(prot), words(flags), u64::MAX, 0];
    let (stopped, at) = remote::call_at(stopped, regs, PAGE_SYSCALL, libc::SYS_mmap, args, met)?;
    if at != CACHE.cast_signed() {
        let error = io::Error::from_raw_os_error(i32::try_from(-at).unwrap_or(libc::EINVAL));
        return Err(match error.raw_os_error() {
            Some(libc::EEXIST) => CacheError::Occupied(CACHE),
            _ => CacheError::NoMemory(error),
        });
    }
    // A forked child gets one of its own once it needs it.
    let advice = [CACHE, CACHE_LEN, words(libc::MADV_DONTFORK), 0, 0, 0];
    let nr = libc::SYS_madvise;
    let (stopped, result) = remote::call_at(stopped, regs, PAGE_SYSCALL, nr, advice, met)?;
    if result != 0 {
        let error = io::Error::from_raw_os_error(i32::try_from(-result).unwrap_or(libc::EINVAL));
        return Err(CacheError::NoMemory(error));
    }
    Ok(stopped)
}

/// Whether there is memory like that of a code cache.
fn has_one(tid: Pid) -> io::Result<bool> {
    let all = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    let areas = maps::read(tid)?;
    Ok(areas.iter().any(|area| {
        (area.start, area.len()) == (CACHE, CACHE_LEN)
            && area.prot == all.cast_unsigned()
            && !area.shared
            && area.inode == 0
    }))
}

impl Cache {
    /// A cache in memory that has just been mapped. Nothing counts in `uncounted`, code of the supervisor's.
    pub fn new(
        memory: Remote,
        stepped: bool,
        mut uncounted: Vec<Range<u64>>,
    ) -> Result<Self, CacheError> {
        let layout = Layout {
            code: LAYOUT_CODE,
            data: LAYOUT_DATA,
        };
        let broken = |error| CacheError::Memory {
            what: "laying out the code cache",
            error: io::Error::other(error),
        };
        let mut translator = Translator::new(layout, Options::default()).map_err(broken)?;
        uncounted.push(PAGE..PAGE + PAGE_LEN);
        translator.set_uncounted(uncounted);
        let mut cache = Self {
            translator,
            executable: None,
            stepped,
        };
        cache.write(memory)?;
        Ok(cache)
    }

    /// Whether what is executed at an address counts.
    pub fn counts(&self, at: u64) -> bool {
        self.translator.is_counted(at)
    }

    /// The code in these ranges has changed, or may have.
    pub fn changed(&mut self, ranges: [Option<Range<u64>>; 2]) {
        for range in ranges.into_iter().flatten() {
            self.translator.invalidate(range);
            self.executable = None;
        }
    }

    /// Whether an instruction has to be executed natively, for the page that it is on can change.
    pub fn is_stepped(
        &mut self,
        memory: Remote,
        sites: Option<&Sites>,
        at: u64,
    ) -> Result<bool, CacheError> {
        let (_, view) = self.parts(memory, sites)?;
        Ok(view.policy(at & !0xfff) == PagePolicy::Stepped)
    }

    /// The registers with which a thread that has `regs` goes on in the cache, to come out behind
    /// the `left`th conditional branch.
    pub fn enter(
        &mut self,
        memory: Remote,
        sites: Option<&Sites>,
        regs: &Regs,
        left: u64,
    ) -> Result<Regs, CacheError> {
        let (translator, view) = self.parts(memory, sites)?;
        let rip = translator.enter(&view, regs.rip, left)?;
        self.write(memory)?;
        Ok(Regs {
            rip,
            orig_rax: u64::MAX,
            ..*regs
        })
    }

    /// A thread is to come out where it is about to have these registers and this memory; none: nowhere. Nobody may be
    /// inside.
    pub fn look_for(&mut self, check: Option<Check>) {
        self.translator.set_check(check);
    }

    /// The same as [`Self::enter`], from where a thread has come out that had the registers looked for.
    pub fn pass(
        &mut self,
        memory: Remote,
        sites: Option<&Sites>,
        state: &AppState,
    ) -> Result<Regs, CacheError> {
        let (translator, view) = self.parts(memory, sites)?;
        let rip = translator.pass(&view, state)?;
        self.write(memory)?;
        Ok(Regs {
            rip,
            orig_rax: u64::MAX,
            ..state.regs
        })
    }

    /// What a thread that has stopped at the gate needs; registers to go on with are for user mode.
    pub fn exit(
        &mut self,
        memory: Remote,
        sites: Option<&Sites>,
        regs: &Regs,
    ) -> Result<Exit, CacheError> {
        let data = data(memory)?;
        let (translator, view) = self.parts(memory, sites)?;
        let mut exit = translator.exit(&view, regs, &data)?;
        self.write(memory)?;
        match &mut exit {
            Exit::Resume(regs) => regs.orig_rax = u64::MAX,
            Exit::Reached(state) | Exit::Matched(state) | Exit::Special { state, .. } => {
                state.regs.orig_rax = u64::MAX;
            }
        }
        Ok(exit)
    }

    /// Where the application is of which a thread has stopped somewhere in the cache, and was not stepped: at the
    /// gate, what it came for is done first.
    pub fn surface(
        &mut self,
        memory: Remote,
        sites: Option<&Sites>,
        mut stopped: Stopped,
    ) -> Result<Surfaced, CacheError> {
        let tid = stopped.tid();
        let mut met = Met::new();
        let mut rolled = false;
        let mut regs = stopped.regs().map_err(RemoteError::from)?;
        loop {
            match self.translator.application_state(&regs, &data(memory)?) {
                Ok(state) => {
                    return Ok(Surfaced::At {
                        stopped,
                        state: Box::new(state),
                        rolled,
                        met,
                    });
                }
                Err(Roll::Outside) => return Err(CacheError::Lost(regs.rip)),
                Err(Roll::Exit) => match self.exit(memory, sites, &regs)? {
                    Exit::Resume(onward) => regs = onward,
                    Exit::Reached(state) | Exit::Matched(state) | Exit::Special { state, .. } => {
                        return Ok(Surfaced::At {
                            stopped,
                            state: Box::new(state),
                            rolled,
                            met,
                        });
                    }
                },
                Err(Roll::Step) => {
                    rolled = true;
                    stopped.set_regs(&regs).map_err(RemoteError::from)?;
                    let stepped = super::step::single_step(stopped)?;
                    stopped = stepped.stopped;
                    if stepped.asked.is_some_and(|signal| signal != libc::SIGTRAP) {
                        // It is in no group stop any more, and is to stop again.
                        ptrace::interrupt(tid).map_err(RemoteError::from)?;
                    }
                    match stepped.status {
                        Status::Signal(libc::SIGTRAP) => {}
                        Status::Signal(_) => {
                            met.push(stopped.siginfo().map_err(RemoteError::from)?);
                        }
                        status if status.is_end() => return Ok(Surfaced::Ended(status)),
                        _ => {}
                    }
                    regs = stopped.regs().map_err(RemoteError::from)?;
                }
            }
        }
    }

    fn parts<'c>(
        &'c mut self,
        memory: Remote,
        sites: Option<&'c Sites>,
    ) -> Result<(&'c mut Translator, View<'c>), CacheError> {
        if self.executable.is_none() {
            let executable = Executable::of(memory).map_err(failed("reading the memory map"))?;
            self.executable = Some(executable);
        }
        let executable: &Executable = self.executable.get_or_insert_default();
        let view = View {
            memory,
            executable,
            sites,
            stepped: self.stepped,
        };
        Ok((&mut self.translator, view))
    }

    /// Makes the writes that the translator wants made.
    fn write(&mut self, memory: Remote) -> Result<(), CacheError> {
        let writes = self.translator.take_writes();
        // The embedder watches no pages: what can be written is stepped.
        drop(self.translator.take_new_pages());
        if writes.is_empty() {
            return Ok(());
        }
        memory
            .write_all(writes.iter().map(|write| (write.address, write.bytes)))
            .map_err(failed("writing the code cache"))
    }
}

/// Where a thread is that has stopped in the cache.
#[derive(Debug)]
pub enum Surfaced {
    /// Here.
    At {
        /// Its stop.
        stopped: Stopped,
        /// The application's state.
        state: Box<AppState>,
        /// It has been stepped: the stop is another one than it was.
        rolled: bool,
        /// Signals that came meanwhile.
        met: Met,
    },
    /// It has ended.
    Ended(Status),
}

fn data(memory: Remote) -> Result<Data, CacheError> {
    let mut bytes = [0; DATA_READ_BYTES];
    memory
        .read_exact(LAYOUT_DATA, &mut bytes)
        .map_err(failed("reading the code cache's data"))?;
    Ok(Data::parse(&bytes))
}
