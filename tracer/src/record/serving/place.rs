//! Brings the agent into an address space, and keeps it from serving where it must not.

use super::super::Agent;
use super::super::error::{RecordError, Step, Stumble};
use super::super::session::Session;
use super::super::syscalls::is_restart;
use super::super::task::{SpaceId, Task};
use super::areas::Areas;
use super::{Placed, classes};
use crate::agent::inside;
use crate::agent::place::{Hand, PlaceError, Stands};
use crate::agent::sites::Sites;
use crate::model::capture::Call;
use crate::sys::mem::Remote;
use crate::sys::ptrace::Stopped;
use crate::sys::wait::Pid;
use agent::layout::{OFF, Off};
use agent::rules;
use journal::{Effect, Mapping, Source};
use pmu::Regs;
use rustc_hash::FxHashMap;
use std::ops::Range;
use std::rc::Rc;

/// An address space gets the agent when so many of its syscalls have stopped that could have been
/// served: bringing it costs about as much as twenty stops.
pub(super) const STOPS_BEFORE: u32 = 24;
const CLONE_FILES: u64 = libc::CLONE_FILES.cast_unsigned() as u64;
const CLONE_VM: u64 = libc::CLONE_VM.cast_unsigned() as u64;
const CLONE_THREAD: u64 = libc::CLONE_THREAD.cast_unsigned() as u64;

impl From<PlaceError> for Stumble {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Remote(error) => error.into(),
            PlaceError::Memory { what, error } => RecordError::os(what)(error).into(),
        }
    }
}

impl Session {
    /// A syscall that stopped has been performed, and the thread stands at its exit with `regs`:
    /// next time it may be served. What is mapped for that becomes part of the event, for the
    /// application can find it.
    pub(in super::super) fn consider_serving(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        (call, entered, result): (&Call, &Regs, i64),
        regs: &Regs,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step<Stopped> {
        let Some(space) = self.tasks.get(&tid).map(|task| task.space) else {
            return Ok(stopped);
        };
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.answers.learn(call.def.nr, result);
        }
        self.descriptors_changed(tid, call, result)?;
        // Whatever was called may have mapped a file that is written to.
        self.check_basis()?;
        let rule = rules::fitting(call.def.nr.into(), &call.args);
        let known = self.serving.spaces.get(&space);
        let may = self.serving.when != Agent::Never
            && !self.out.is_lost()
            && !known.is_some_and(|known| known.given_up)
            && self
                .tasks
                .get(&tid)
                .is_some_and(|task| !task.own_filter && !task.strict && task.stash.is_empty());
        let Some(rule) = rule.filter(|_| may) else {
            return Ok(stopped);
        };
        // What a signal does after a call (start it anew, enter a handler with the mask of the call)
        // is done on the way out: a call that we have the thread make in between would take it away.
        let interrupted = is_restart(result) || result == -i64::from(libc::EINTR);
        let (stops_before, _) = self.serving.patience();
        let known = self.serving.spaces.entry(space).or_default();
        known.stops = known.stops.saturating_add(1);
        let mut stopped = stopped;
        if known.agent.is_none() {
            if known.stops < stops_before || interrupted {
                return Ok(stopped);
            }
            stopped = self.bring_agent(tid, space, stopped, regs, effects)?;
        }
        let off = self.serving.placed(space).map(|placed| placed.off);
        // Where there are several processes, those of this one are not those that the agent is to know.
        if rule.class != 0 && result != -i64::from(libc::EBADF) && off == Some(Off::Nothing) {
            self.learn_class(tid, space, call.int(0))?;
            if let (second, 1..) = rule.second {
                self.learn_class(tid, space, call.int(usize::from(second)))?;
            }
        }
        if interrupted {
            return Ok(stopped);
        }
        self.rewrite_site(tid, space, stopped, (entered, regs), effects)
    }

    /// Brings the agent into the address space of a thread at a syscall's exit.
    fn bring_agent(
        &mut self,
        tid: Pid,
        space: SpaceId,
        stopped: Stopped,
        regs: &Regs,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step<Stopped> {
        let mut hand = Hand::new(tid, Stands::AtExit, regs);
        let known = self.serving.spaces.get(&space);
        hand.over = known.is_some_and(|known| known.reserved);
        hand.other_files = self.identities.is_some();
        let brought = hand.bring(stopped);
        self.let_go(hand, effects);
        let (stopped, ring) = brought?;
        stopped.set_regs(regs)?;
        let known = self.serving.spaces.entry(space).or_default();
        let Some(ring) = ring else {
            known.given_up = true;
            return Ok(stopped);
        };
        known.agent = Some(Placed {
            ring: Rc::new(ring),
            sites: Sites::default(),
            off: Off::Nothing,
            off_for_good: false,
            areas: Areas::default(),
            classes: FxHashMap::default(),
            basis: classes::Basis::default(),
            looked_at: 0,
        });
        self.check_basis()?;
        self.update_off(space)?;
        Ok(stopped)
    }

    /// Rewrites the site of a syscall that has stopped and been performed, if it is time.
    fn rewrite_site(
        &mut self,
        tid: Pid,
        space: SpaceId,
        stopped: Stopped,
        (entered, regs): (&Regs, &Regs),
        effects: &mut Vec<Effect<'static>>,
    ) -> Step<Stopped> {
        let (_, patience) = self.serving.patience();
        let mut known = std::mem::take(&mut self.serving.functions);
        known.may_change(self.memories.changing_files());
        let mut hand = Hand::new(tid, Stands::AtExit, regs);
        let rewritten = match self.serving.placed_mut(space) {
            Some(placed) => placed
                .sites
                .meet(&mut known, &mut hand, stopped, entered, patience),
            None => Ok(stopped),
        };
        self.serving.functions = known;
        self.let_go(hand, effects);
        let stopped = rewritten?;
        stopped.set_regs(regs)?;
        Ok(stopped)
    }

    /// What a thread did for the agent's sake: signals that came meanwhile are delivered later,
    /// and what was mapped is told.
    fn let_go(&mut self, hand: Hand<'_>, effects: &mut Vec<Effect<'static>>) {
        if let Some(task) = self.tasks.get_mut(&hand.tid) {
            task.stash.extend(hand.met);
        }
        let maps = hand.mapped.into_iter().map(|(range, prot)| Mapping {
            start: range.start,
            end: range.end,
            prot: prot.cast_unsigned(),
            flags: libc::MAP_PRIVATE.cast_unsigned(),
            source: Source::Zero,
        });
        effects.extend(maps.map(Effect::Map));
    }

    /// A syscall is about to map a range anew, to take it away, or to make it writable. Where the
    /// agent itself is concerned, the address space is left without.
    pub(in super::super) fn sites_remapped(&mut self, tid: Pid, range: &Range<u64>) -> Step {
        let space = self.tasks.get(&tid).map(|task| task.space);
        let lost = inside::occupies(range);
        let parked = |task: &Task| task.parked && Some(task.space) == space;
        if lost && self.tasks.values().any(parked) {
            return Err(RecordError::Unsupported {
                tid: tid.0,
                what: "memory mapped over the agent's, while a thread waits there".to_owned(),
            }
            .into());
        }
        let Some(known) = space.and_then(|space| self.serving.spaces.get_mut(&space)) else {
            return Ok(());
        };
        // What was in its place before may be the application's own from now on.
        known.given_up |= lost && known.reserved;
        let Some(placed) = &mut known.agent else {
            return Ok(());
        };
        if lost {
            placed.sites.remapped(tid, &(0..u64::MAX))?;
            known.agent = None;
            known.given_up = true;
            return Ok(());
        }
        Ok(placed.sites.remapped(tid, range)?)
    }

    /// The program's own code is to be executed again. The agent stays, for threads may be inside.
    pub(in super::super) fn sites_restored(&mut self, tid: Pid) -> Step {
        let space = self.tasks.get(&tid).map(|task| task.space);
        if let Some(placed) = space.and_then(|space| self.serving.placed_mut(space)) {
            placed.sites.remapped(tid, &(0..u64::MAX))?;
        }
        Ok(())
    }

    /// A thread that lives in an address space.
    pub(super) fn somebody_in(&self, space: SpaceId) -> Option<Pid> {
        let mut tasks = self.tasks.values();
        tasks.find(|task| task.space == space).map(|task| task.tid)
    }

    /// Nothing is to be served any more in an address space.
    pub(in super::super) fn turn_off_for_good(&mut self, space: SpaceId) {
        let known = self.serving.spaces.entry(space).or_default();
        known.given_up = true;
        if let Some(placed) = &mut known.agent {
            placed.off_for_good = true;
        }
    }

    /// Where the agent is to be in an address space, there is memory already: there was one.
    pub(in super::super) fn give_way_to_agent(&mut self, space: SpaceId) {
        self.serving.spaces.entry(space).or_default().reserved = true;
    }

    /// Tells the agent what it may serve: nothing while a thread computes apart, and nothing that concerns
    /// descriptors where several processes have one address space (`vfork`), each with its own.
    pub(in super::super) fn update_off(&mut self, space: SpaceId) -> Step {
        let Some(placed) = self.serving.placed(space) else {
            return Ok(());
        };
        let mut inside = self.tasks.values().filter(|task| task.space == space);
        let Some(first) = inside.next() else {
            return Ok(());
        };
        let (tid, process) = (first.tid, first.process);
        let apart = |task: &super::super::task::Task| {
            matches!(task.state, super::super::task::State::Apart)
        };
        let (mut several, mut any_apart) = (false, apart(first));
        for task in inside {
            several |= task.process != process;
            any_apart |= apart(task);
        }
        let off = if placed.off_for_good || any_apart {
            Off::All
        } else if several {
            Off::Descriptors
        } else {
            Off::Nothing
        };
        if off == placed.off {
            return Ok(());
        }
        if let Some(placed) = self.serving.placed_mut(space) {
            placed.off = off;
        }
        // Whoever has just been killed is served nothing.
        let _ = Remote(tid).write(OFF, &(off as u32).to_le_bytes());
        Ok(())
    }

    /// A thread was made with these `CLONE_` flags.
    pub(in super::super) fn agent_after_clone(
        &mut self,
        parent: SpaceId,
        child: SpaceId,
        flags: u64,
    ) -> Step {
        let (files, memory) = (flags & CLONE_FILES != 0, flags & CLONE_VM != 0);
        if (files && !memory) || (flags & CLONE_THREAD != 0 && !files) {
            self.turn_off_for_good(parent);
            self.turn_off_for_good(child);
            self.update_off(child)?;
        }
        self.update_off(parent)
    }
}
