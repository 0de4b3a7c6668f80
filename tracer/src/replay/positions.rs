//! Positions between two sync points, in replay: the thread is brought there by counting its conditional branches
//! ([`crate::counting`]), whatever counted them in the recording.

use super::check;
use super::error::ReplayError;
use super::session::Session;
use super::task::Space;
use crate::agent;
use crate::agent::sites::Sites;
use crate::counting::{self, Cache, CacheError, Came as Stepped, Check, Exit, FAR, Surfaced, Word};
use crate::model::capture::Call;
use crate::remote::{Met, RemoteError};
use crate::sys::mem::Remote;
use crate::sys::ptrace::{Resume, Stopped};
use crate::sys::wait::Status;
use journal::{Span, State, Tid, Write};
use pmu::translate::{AppState, GATE_SYSCALL, Special};
use pmu::{Counter, Position, Regs};
use std::rc::Rc;

/// Instructions behind the last counted branch that are executed one at a time before the position is looked for in
/// the cache.
const STEPS_NEAR: u64 = 200;
/// The same where the registers there are not known.
const STEPS_MAX: u64 = 20_000_000;

impl From<CacheError> for ReplayError {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::Remote(RemoteError::Gone(_)) => Self::Killed,
            other => Self::Counting(other),
        }
    }
}

impl Session {
    /// The current thread goes on to a position, at which `what` happened.
    pub(super) fn run_to(&mut self, at: &Position, what: &str) -> Result<(), ReplayError> {
        let tid = self.current;
        let clocks = std::mem::take(&mut self.task(tid)?.clocks);
        let goal = self.task(tid)?.expected.take();
        let in_flight = std::mem::take(&mut self.task(tid)?.in_flight);
        let memory = Remote(self.task(tid)?.real);
        let stopped = self.take_stop(tid)?;
        let task = self.task(tid)?;
        check::settle_restart(task);
        let regs = task.regs;
        stopped.set_regs(&regs)?;
        agent::supply(memory, &clocks).map_err(ReplayError::os("giving the agent its answers"))?;
        self.task(tid)?.stopped = Some(stopped);
        let counted = at.counter != Counter::State;
        let mut way = Way {
            regs,
            left: if counted { at.rcb.0 } else { FAR },
        };
        let goal = Goal {
            at: *at,
            state: goal,
            in_flight,
            clocks: clocks.len(),
            differed: Vec::new(),
        };
        let expected = if counted {
            let branches = at.rcb.0;
            format!(
                "{what} at {:#x}, {branches} branches after the last event",
                at.ip
            )
        } else {
            format!("{what} at {:#x}, with a certain memory", at.ip)
        };
        let there = if counted {
            match self.count_down(tid, &mut way)? {
                Ok(()) => self.step_to(tid, goal, &mut way)?,
                Err(found) => Err(found),
            }
        } else {
            self.look_for(tid, goal, &mut way)?
        };
        if let Err(found) = there {
            return Err(self.diverged(expected, found));
        }
        if let Some(cache) = &mut self.task(tid)?.space.borrow_mut().cache.0 {
            cache.look_for(None);
        }
        let taken = taken(memory)?;
        if taken != clocks.len() {
            return Err(self.diverged(
                format!("{} clock reads", clocks.len()),
                format!("{taken} clock reads"),
            ));
        }
        if !clocks.is_empty() {
            self.observed.clocks(taken);
        }
        let status = Status::Stop(libc::SIGTRAP);
        self.observed.stop(tid, status, &way.regs);
        self.task(tid)?.regs = way.regs;
        Ok(())
    }

    /// Lets the thread go on until no branch is left; else what was found.
    fn count_down(&mut self, tid: Tid, way: &mut Way) -> Result<Result<(), String>, ReplayError> {
        while way.left > 0 {
            match self.go_in_cache(tid, way, false)? {
                Came::Arrived | Came::Natively => {}
                Came::Looked => return Ok(Err("registers that nobody looked for".to_owned())),
                Came::Otherwise(found) => return Ok(Err(found)),
            }
        }
        Ok(Ok(()))
    }

    /// Lets the thread go on in the code cache, where it is not checked if it is to `pass`: until no branch is left, to
    /// what is looked for, or over an instruction that is executed natively.
    fn go_in_cache(&mut self, tid: Tid, way: &mut Way, pass: bool) -> Result<Came, ReplayError> {
        let memory = Remote(self.task(tid)?.real);
        let stopped = self.take_stop(tid)?;
        let stopped = self.place_cache(tid, stopped, &way.regs)?;
        let inside = self.with_cache(tid, |cache, sites| {
            if pass {
                let state = AppState {
                    regs: way.regs,
                    left: way.left,
                };
                cache.pass(memory, sites, &state)
            } else {
                cache.enter(memory, sites, &way.regs, way.left)
            }
        })?;
        stopped.set_regs(&inside)?;
        stopped.resume(Resume::Cont, 0)?;
        loop {
            let status = self.await_stop(tid)?;
            let stopped = self.take_stop(tid)?;
            let regs = stopped.regs()?;
            match status {
                Status::Event(libc::PTRACE_EVENT_SECCOMP) if regs.orig_rax == GATE_SYSCALL => {
                    let exit =
                        self.with_cache(tid, |cache, sites| cache.exit(memory, sites, &regs))?;
                    match exit {
                        Exit::Resume(onward) => {
                            stopped.set_regs(&onward)?;
                            stopped.resume(Resume::Cont, 0)?;
                        }
                        Exit::Reached(state) => {
                            way.left = 0;
                            self.stands(tid, stopped, way, &state.regs)?;
                            return Ok(Came::Arrived);
                        }
                        Exit::Matched(state) => {
                            way.left = state.left;
                            self.stands(tid, stopped, way, &state.regs)?;
                            return Ok(Came::Looked);
                        }
                        Exit::Special { special, state, .. } => {
                            way.left = state.left;
                            return self.over_special(tid, stopped, way, &state.regs, special);
                        }
                    }
                }
                Status::Signal(signal) => {
                    let info = stopped.siginfo()?;
                    if check::is_from_outside(signal, &info) {
                        self.note_outside(tid, info)?;
                        stopped.resume(Resume::Cont, 0)?;
                        continue;
                    }
                    let surfaced =
                        self.with_cache(tid, |cache, sites| cache.surface(memory, sites, stopped))?;
                    if let Surfaced::At { stopped, state, .. } = surfaced {
                        self.stands(tid, stopped, way, &state.regs)?;
                    }
                    return Ok(Came::Otherwise(self.describe_stop(tid, status)));
                }
                _ => {
                    self.task(tid)?.stopped = Some(stopped);
                    return Ok(Came::Otherwise(self.describe_stop(tid, status)));
                }
            }
        }
    }

    /// The thread stands here, outside the cache.
    fn stands(
        &mut self,
        tid: Tid,
        stopped: Stopped,
        way: &mut Way,
        regs: &Regs,
    ) -> Result<(), ReplayError> {
        way.regs = *regs;
        way.regs.orig_rax = u64::MAX;
        stopped.set_regs(&way.regs)?;
        self.task(tid)?.stopped = Some(stopped);
        Ok(())
    }

    /// The thread executes an instruction that the cache does not.
    fn over_special(
        &mut self,
        tid: Tid,
        stopped: Stopped,
        way: &mut Way,
        regs: &Regs,
        special: Special,
    ) -> Result<Came, ReplayError> {
        self.stands(tid, stopped, way, regs)?;
        let counts = self.with_cache(tid, |cache, _| Ok(cache.counts(regs.rip)))?;
        if special == Special::Syscall && counts {
            return Ok(Came::Otherwise(format!("a syscall at {:#x}", regs.rip)));
        }
        if special == Special::Unreadable {
            let changed = [Some(regs.rip..regs.rip.saturating_add(1)), None];
            self.with_cache(tid, |cache, _| {
                cache.changed(changed);
                Ok(())
            })?;
        }
        Ok(match self.step_over(tid, way)? {
            Ok(branches) => {
                way.left = way.left.saturating_sub(if counts { branches } else { 0 });
                Came::Natively
            }
            Err(found) => Came::Otherwise(found),
        })
    }

    /// Executes one instruction natively: how many conditional branches it was, or what it stopped for.
    fn step_over(&mut self, tid: Tid, way: &mut Way) -> Result<Result<u64, String>, ReplayError> {
        let memory = Remote(self.task(tid)?.real);
        let stepping = counting::stepped(memory, way.regs.rip);
        loop {
            let stopped = self.take_stop(tid)?;
            stopped.resume(Resume::Step, 0)?;
            let status = self.await_stop(tid)?;
            let stopped = self.take_stop(tid)?;
            let regs = stopped.regs()?;
            let mut came = Stepped::Otherwise;
            if let Status::Signal(signal) = status {
                let info = stopped.siginfo()?;
                if check::is_from_outside(signal, &info) {
                    self.note_outside(tid, info)?;
                    came = Stepped::LeftSyscall;
                } else {
                    came = counting::came_of(signal, &info, way.regs.rip, regs.rip);
                }
            }
            match came {
                Stepped::Stepped => {}
                Stepped::LeftSyscall => {
                    let stays = way.regs;
                    self.stands(tid, stopped, way, &stays)?;
                    continue;
                }
                Stepped::Otherwise => {
                    self.task(tid)?.stopped = Some(stopped);
                    return Ok(Err(self.describe_stop(tid, status)));
                }
            }
            stepping
                .hide(memory, &regs)
                .map_err(ReplayError::os("looking at an instruction"))?;
            self.stands(tid, stopped, way, &regs)?;
            return Ok(Ok(stepping.count()));
        }
    }

    /// Goes from the last counted branch to the position; what was found instead.
    fn step_to(
        &mut self,
        tid: Tid,
        mut goal: Goal,
        way: &mut Way,
    ) -> Result<Result<(), String>, ReplayError> {
        let known = goal.state.as_ref().map(|state| state.regs);
        let steps = if known.is_some() {
            STEPS_NEAR
        } else {
            STEPS_MAX
        };
        for _ in 0..steps {
            if way.is_at(&goal.at) && self.is_there(tid, &mut goal)? {
                return Ok(Ok(()));
            }
            if let Err(found) = self.one_on(tid, known, way)? {
                return Ok(Err(found));
            }
        }
        if known.is_none() {
            let found = format!("nothing of the kind within {STEPS_MAX} instructions");
            return Ok(Err(found));
        }
        way.left = 1;
        self.look_for(tid, goal, way)
    }

    /// Whether a thread that has the registers of a position has the rest of its state, too.
    fn is_there(&mut self, tid: Tid, goal: &mut Goal) -> Result<bool, ReplayError> {
        let Some(state) = &goal.state else {
            return Ok(true);
        };
        let task = self.task(tid)?;
        let memory = Remote(task.real);
        let Some(stopped) = &task.stopped else {
            return Err(ReplayError::Killed);
        };
        // The signature does not have `rax`.
        let same = stopped.regs()?.rax == state.regs.rax
            && taken(memory)? == goal.clocks
            && counting::vectors(&stopped.xstate()?) == state.vectors;
        if !same {
            return Ok(false);
        }
        // What differed before differs longest.
        let differing =
            |only: &[u64]| counting::differing(memory, &state.pages, &goal.in_flight, only);
        if !goal.differed.is_empty() && !differing(&goal.differed).is_empty() {
            return Ok(false);
        }
        let differing = differing(&[]);
        let there = differing.is_empty();
        goal.differed.extend(differing);
        Ok(there)
    }

    /// Executes one instruction, or of one that repeats as much as leads to `goal`.
    fn one_on(
        &mut self,
        tid: Tid,
        goal: Option<Regs>,
        way: &mut Way,
    ) -> Result<Result<(), String>, ReplayError> {
        let before = way.regs;
        let memory = Remote(self.task(tid)?.real);
        let stepping = counting::stepped(memory, before.rip);
        if let Some(rep) = counting::rep(stepping.code()) {
            let goal = goal.and_then(|goal| rep.between(&before, &goal));
            let count = goal.unwrap_or(before.rcx);
            let behind = Regs {
                rip: rep.next(&before),
                ..rep.after(
                    &Regs {
                        rcx: count,
                        ..before
                    },
                    count,
                )
            };
            way.regs.rcx = count;
            way.left = 1;
            let came = self.search(tid, Check::of(behind), way, false)?;
            if let Err(found) = came {
                return Ok(Err(found));
            }
            if goal.is_some() {
                let there = rep.after(&before, count);
                let stopped = self.take_stop(tid)?;
                self.stands(tid, stopped, way, &there)?;
            }
            return Ok(Ok(()));
        }
        let counts = self.with_cache_if_any(tid, |cache| cache.counts(before.rip))?;
        Ok(match self.step_over(tid, way)? {
            Ok(branches) if branches > 0 && counts => {
                Err(format!("another branch at {:#x}", before.rip))
            }
            Ok(_) => Ok(()),
            Err(found) => Err(found),
        })
    }

    /// Looks for the position in the cache.
    fn look_for(
        &mut self,
        tid: Tid,
        mut goal: Goal,
        way: &mut Way,
    ) -> Result<Result<(), String>, ReplayError> {
        let Some(state) = &goal.state else {
            return Err(self.inconsistent("a position without a count and without a state"));
        };
        let mut check = Check::of(state.regs);
        for (slot, word) in check.words.iter_mut().zip(&state.words) {
            *slot = Some(Word {
                address: word.addr,
                value: word.value,
            });
        }
        let mut pass = false;
        loop {
            if let Err(found) = self.search(tid, check, way, pass)? {
                return Ok(Err(found));
            }
            if way.is_at(&goal.at) && self.is_there(tid, &mut goal)? {
                return Ok(Ok(()));
            }
            pass = true;
        }
    }

    /// Lets the thread go on in the cache until it has these registers; what was found instead.
    fn search(
        &mut self,
        tid: Tid,
        goal: Check,
        way: &mut Way,
        mut pass: bool,
    ) -> Result<Result<(), String>, ReplayError> {
        let stopped = self.take_stop(tid)?;
        let stopped = self.place_cache(tid, stopped, &way.regs)?;
        self.task(tid)?.stopped = Some(stopped);
        self.look(tid, Some(goal))?;
        let found = loop {
            match self.go_in_cache(tid, way, std::mem::take(&mut pass))? {
                Came::Natively if way.left > 0 => {}
                Came::Looked => break Ok(()),
                Came::Natively | Came::Arrived => {
                    break Err(format!("another branch, before {:#x}", way.regs.rip));
                }
                Came::Otherwise(found) => break Err(found),
            }
        };
        Ok(found)
    }

    fn look(&mut self, tid: Tid, goal: Option<Check>) -> Result<(), ReplayError> {
        self.with_cache(tid, |cache, _| {
            cache.look_for(goal);
            Ok(())
        })
    }

    fn place_cache(
        &mut self,
        tid: Tid,
        stopped: Stopped,
        regs: &Regs,
    ) -> Result<Stopped, ReplayError> {
        let task = self.task(tid)?;
        let memory = Remote(task.real);
        let space = Rc::clone(&task.space);
        if space.borrow().cache.0.is_some() {
            return Ok(stopped);
        }
        let mut met = Met::new();
        let stopped = counting::place(stopped, regs, &mut met)?;
        for info in met {
            self.note_outside(tid, info)?;
        }
        space.borrow_mut().cache.0 = Some(Cache::new(memory, self.stepped, Vec::new())?);
        Ok(stopped)
    }

    /// A syscall changes memory by other ways than those of its table: it may be code.
    pub(super) fn memory_changed(&mut self, write: &Write<'_>) -> Result<(), ReplayError> {
        let mut space = self.task(write.tid)?.space.borrow_mut();
        if let Some(cache) = &mut space.cache.0 {
            let end = write.addr.saturating_add(write.data.len() as u64);
            cache.changed([Some(write.addr..end), None]);
        }
        Ok(())
    }

    /// Code may be another behind a syscall of this thread's.
    pub(super) fn code_changed(
        &mut self,
        tid: Tid,
        call: &Call,
        result: i64,
    ) -> Result<(), ReplayError> {
        let mut space = self.task(tid)?.space.borrow_mut();
        if let Some(cache) = &mut space.cache.0 {
            cache.changed(counting::changed(call, result));
        }
        Ok(())
    }

    fn with_cache<T>(
        &mut self,
        tid: Tid,
        act: impl FnOnce(&mut Cache, Option<&Sites>) -> Result<T, CacheError>,
    ) -> Result<T, ReplayError> {
        let space = Rc::clone(&self.task(tid)?.space);
        let mut space = space.borrow_mut();
        let Space { cache, agent, .. } = &mut *space;
        let cache = cache.0.as_mut().ok_or(CacheError::Lost(0))?;
        Ok(act(cache, agent.sites())?)
    }

    fn with_cache_if_any(
        &mut self,
        tid: Tid,
        act: impl FnOnce(&Cache) -> bool,
    ) -> Result<bool, ReplayError> {
        let space = self.task(tid)?.space.borrow();
        Ok(space.cache.0.as_ref().is_none_or(act))
    }
}

fn taken(memory: Remote) -> Result<usize, ReplayError> {
    agent::taken(memory).map_err(ReplayError::os("looking at the agent's page"))
}

/// Where a thread is to go.
#[derive(Debug)]
struct Goal {
    at: Position,
    /// The state that it is to have there, if that matters.
    state: Option<State>,
    /// What counts as zero in that.
    in_flight: Vec<Span>,
    /// The clock reads that it makes on the way.
    clocks: usize,
    /// Pages that were other ones where it was only almost there.
    differed: Vec<u64>,
}

/// How far a thread is.
#[derive(Debug)]
struct Way {
    /// Its registers.
    regs: Regs,
    /// Branches that are left.
    left: u64,
}

impl Way {
    fn is_at(&self, at: &Position) -> bool {
        self.regs.rip == at.ip && self.regs.signature() == at.signature
    }
}

/// How a thread has come out of the cache.
#[derive(Debug)]
enum Came {
    /// No branch is left.
    Arrived,
    /// With the registers that are looked for.
    Looked,
    /// One instruction was executed natively.
    Natively,
    /// For something else.
    Otherwise(String),
}
