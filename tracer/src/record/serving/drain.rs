//! Served calls become events: the same ones that stops would have made, by the same model.

use super::super::advice;
use super::super::doubt::unsupported;
use super::super::error::{RecordError, Step, Stumble};
use super::super::session::Session;
use super::super::syscalls::{is_error, may_be_partial};
use super::super::task::{InCall, State, Task};
use super::super::traps::ACTION_BYTES;
use super::Answers as Known;
use crate::agent::served::{self, Kind, Served};
use crate::agent::{self, Answers};
use crate::model;
use crate::model::capture::{Call, Entry, Memory, Range};
use crate::sys::mem::Remote;
use crate::sys::ring::Ring;
use crate::sys::wait::Pid;
use ::agent::rules::{self, Descriptors};
use journal::{Args, Bytes, Effect, Enter, Event, In, Leave, Out, Tid};
use pmu::Regs;
use std::rc::Rc;

/// Room for what is made of one record, kept from record to record and from stop to stop.
#[derive(Debug, Default)]
pub struct Room {
    records: Vec<u8>,
    parts: Parts,
}

/// The same, of what its event consists of.
#[derive(Debug, Default)]
struct Parts {
    entry: Entry,
    ranges: Vec<Range>,
    ins: Vec<In<'static>>,
    outs: Vec<Out<'static>>,
}

/// Served calls on their way into the journal.
#[derive(Default)]
struct Drain {
    /// Threads that were killed, and whose clock reads are gone: what they did last is nobody's concern.
    gone: Vec<Pid>,
    parts: Parts,
}

/// A thread whose calls are taken out of the ring.
struct By {
    tid: Pid,
    /// As the journal calls it.
    id: Tid,
    /// Its `fs` and `gs` bases, where the agent cannot read them: they change in syscalls only.
    bases: (u64, u64),
    /// So many clock reads are in the journal, or more.
    clocks: u32,
    /// Clock reads that were read already.
    answers: Answers,
    /// What calls give that nobody else changes.
    known: Known,
    /// The registers behind the last call.
    last: Option<Regs>,
}

impl By {
    fn new(task: &Task) -> Self {
        Self {
            tid: task.tid,
            id: task.id,
            bases: (task.sync_regs.fs_base, task.sync_regs.gs_base),
            clocks: 0,
            answers: Answers::default(),
            known: task.answers,
            last: None,
        }
    }
}

impl Session {
    /// Journals what the agent has served in the address space of a thread that has just stopped, or ended.
    pub(in super::super) fn take_served(&mut self, tid: Pid) -> Step {
        let space = self.tasks.get(&tid).map(|task| task.space);
        let placed = space.and_then(|space| self.serving.placed(space));
        match placed.map(|placed| Rc::clone(&placed.ring)) {
            Some(ring) => self.drain(&ring, tid),
            None => Ok(()),
        }
    }

    /// Journals what a ring has; `tid` is who had the CPU when the recorder looked last.
    pub(super) fn drain(&mut self, ring: &Ring, tid: Pid) -> Step {
        if ring.unread() == 0 {
            return Ok(());
        }
        self.out.mark_time()?;
        let mut room = std::mem::take(&mut self.serving.room);
        let mut drain = Drain {
            parts: room.parts,
            ..Drain::default()
        };
        // The thread whose calls are at hand.
        let mut by = None;
        let taken = served::take(
            ring,
            &mut room.records,
            |_| broken(tid, "a record"),
            |call| self.take_record(&mut drain, &mut by, call),
        );
        self.has_drained(by);
        self.serving.room = Room {
            parts: drain.parts,
            ..room
        };
        if taken.is_err() {
            // What cannot be journaled is nobody else's.
            ring.took(ring.unread());
        }
        taken?;
        if drain.gone.contains(&tid) {
            return Err(Stumble::Gone);
        }
        Ok(())
    }

    /// Journals one record.
    fn take_record(&mut self, drain: &mut Drain, last: &mut Option<By>, call: &Served<'_>) -> Step {
        let tid = Pid(call.thread);
        if drain.gone.contains(&tid) {
            return Ok(());
        }
        if let Some(gone) = drain.gone.first() {
            // They may have seen what it did.
            return Err(RecordError::Unsupported {
                tid: gone.0,
                what: "a thread killed after others have gone on from where it was".to_owned(),
            }
            .into());
        }
        if last.as_ref().is_some_and(|by| by.tid != tid) {
            self.has_drained(last.take());
        }
        let by = match last {
            Some(by) => by,
            None => {
                let task = self.tasks.get(&tid);
                last.insert(By::new(
                    task.ok_or_else(|| broken(tid, "whose call it is"))?,
                ))
            }
        };
        if call.clocks > by.clocks {
            match self.take_clocks_until(tid, call.clocks, &mut by.answers) {
                Ok(()) => by.clocks = call.clocks,
                Err(Stumble::Gone) => {
                    drain.gone.push(tid);
                    self.has_drained(last.take());
                    return Ok(());
                }
                fatal @ Err(Stumble::Fatal(_)) => return fatal,
            }
        }
        match call.kind {
            Kind::Whole => self.served(&mut drain.parts, by, call, None),
            Kind::Entry => self.entered(by, call),
            Kind::Exit => self.left(&mut drain.parts, by, call),
        }
    }

    /// The calls of a thread have been taken, as far as they follow each other.
    fn has_drained(&mut self, by: Option<By>) {
        if let Some(By {
            tid,
            last: Some(regs),
            known,
            ..
        }) = by
            && let Some(task) = self.tasks.get_mut(&tid)
        {
            task.sync_regs = regs;
            task.answers = known;
            task.set_back = false;
            task.interrupted = None;
        }
    }

    /// Journals what a thread has done up to now, which runs: served calls and clock reads.
    pub(in super::super) fn take_done(&mut self, tid: Pid) -> Step {
        let task = self.tasks.get(&tid);
        // In a syscall it has done nothing since it stopped there.
        if !task.is_some_and(|task| task.call.is_none() && self.agents.contains_key(&task.space)) {
            return self.take_served(tid);
        }
        // What was served after the clocks were looked at is not before them.
        let clocks = agent::used(Remote(tid)).map_err(|_| Stumble::Gone)?;
        self.take_served(tid)?;
        self.take_clocks_until(tid, clocks, &mut Answers::default())
    }

    /// Journals one served call; `entered`, if that is in the journal already.
    fn served(
        &mut self,
        parts: &mut Parts,
        by: &mut By,
        served: &Served<'_>,
        entered: Option<Entry>,
    ) -> Step {
        let tid = by.tid;
        let regs = by.last.insert(by.regs(served));
        let nr = super::super::number(regs);
        let (args, ip, signature) = (regs.args(), regs.rip, regs.signature());
        regs.rax = served.result.cast_unsigned();
        by.known.learn(nr, served.result);
        if self.out.is_lost() {
            return Ok(());
        }
        let def = model::lookup(nr).ok_or_else(|| broken(tid, "a number"))?;
        let call = Call { def, args };
        let before = served.before();
        let emitted = entered.is_some();
        let mut ins = empty(std::mem::take(&mut parts.ins));
        match entered {
            Some(entry) => parts.entry = entry,
            None => call
                .enter_at_hand(&before, &mut parts.entry, &mut ins)
                .map_err(|error| unsupported(tid, &error))?,
        }
        let behind = served.behind();
        // It has stopped right there, and a part may have been written.
        let torn = served.result == -i64::from(libc::EFAULT);
        let now: &dyn Memory = if torn { &Remote(tid) } else { &behind };
        let ranges = &mut parts.ranges;
        ranges.clear();
        call.outs(&parts.entry, served.result, now, ranges)
            .map_err(|error| unsupported(tid, &error))?;
        let mut outs: Vec<Out<'_>> = empty(std::mem::take(&mut parts.outs));
        for range in ranges {
            let len = usize::try_from(range.len).unwrap_or(0);
            let data: Bytes<'_> = if torn {
                let mut data = vec![0; len];
                let read = now.read(range.addr, &mut data);
                data.truncate(read);
                data.into()
            } else {
                behind.bytes(range.addr, len).into()
            };
            if !data.is_empty() {
                outs.push(Out {
                    addr: range.addr,
                    data,
                });
            }
        }
        if before.missing.get() || (behind.missing.get() && !is_error(served.result)) {
            return Err(missing(tid, def.name));
        }
        let mut effects = Vec::new();
        self.follow_served(tid, &call, served, &mut effects)?;
        if let Some(intake) = self.intake(tid, &call, served.result) {
            // In this order, as where a stop tells of it.
            self.release_connections()?;
            effects.extend(self.refer(intake, &mut outs));
        }
        self.serving.count(def.nr);
        let leave = Leave {
            result: served.result,
            outs,
            effects,
        };
        // Made where it stays: to move its parts costs as much as to encode them.
        let event = if emitted {
            Event::Leave(leave)
        } else {
            Event::Syscall(
                Enter {
                    nr: def.nr,
                    args: Args::new(args, def.args.len()),
                    ip,
                    signature,
                    ins,
                },
                leave,
            )
        };
        self.out.emit_collected(by.id, &event)?;
        if let Event::Syscall(enter, leave) = event {
            parts.ins = empty(enter.ins);
            parts.outs = empty(leave.outs);
        }
        Ok(())
    }

    /// Journals the entry of a call in which a thread waits inside the agent.
    fn entered(&mut self, by: &mut By, served: &Served<'_>) -> Step {
        let tid = by.tid;
        let regs = by.regs(served);
        let def =
            model::lookup(super::super::number(&regs)).ok_or_else(|| broken(tid, "a number"))?;
        let args = regs.args();
        let call = Call { def, args };
        let before = served.before();
        let mut in_call =
            InCall::at_entry(call, regs, &before).map_err(|error| unsupported(tid, &error))?;
        if before.missing.get() {
            return Err(missing(tid, def.name));
        }
        let Some(task) = self.tasks.get_mut(&tid).filter(|task| task.call.is_none()) else {
            return Err(broken(tid, "a wait in a call"));
        };
        if !self.out.is_lost() {
            let enter = in_call.enter.clone();
            self.out.emit_collected(by.id, &Event::Enter(enter))?;
        }
        in_call.emitted = true;
        task.call = Some(in_call);
        task.parked = true;
        task.state = State::Waiting;
        Ok(())
    }

    /// Journals what came of that.
    fn left(&mut self, parts: &mut Parts, by: &mut By, served: &Served<'_>) -> Step {
        let Some(task) = self.tasks.get_mut(&by.tid).filter(|task| task.parked) else {
            return Err(broken(by.tid, "the end of a wait"));
        };
        let Some(in_call) = task.call.take() else {
            return Err(broken(by.tid, "the end of a wait"));
        };
        task.parked = false;
        task.state = State::Running;
        if let Some(placed) = self.serving.placed_mut(task.space) {
            placed.areas.taken_by(Some(by.tid));
        }
        self.served(parts, by, served, Some(in_call.entry))
    }
}

impl By {
    /// The registers at a call's entry.
    const fn regs(&self, served: &Served<'_>) -> Regs {
        let mut regs = served.regs;
        if regs.fs_base == 0 && regs.gs_base == 0 {
            (regs.fs_base, regs.gs_base) = self.bases;
        }
        regs
    }
}

impl Session {
    /// What a served call changes of what the recorder knows, and of memory.
    fn follow_served(
        &mut self,
        tid: Pid,
        call: &Call,
        served: &Served<'_>,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step {
        let rule = rules::fitting(call.def.nr.into(), &call.args);
        let changes = rule.map_or(Descriptors::Keep, |rule| rule.descriptors);
        let fd = match changes {
            Descriptors::Keep | Descriptors::Unblock => None,
            Descriptors::Close => Some(call.int(0)),
            Descriptors::Open(_) | Descriptors::New => i32::try_from(served.result).ok(),
        };
        if let Some(fd) = fd
            && let Some(space) = self.tasks.get(&tid).map(|task| task.space)
        {
            self.memories.descriptors.changed(call.def.name);
            self.connections.changed(call.def.name);
            if let Some(placed) = self.serving.placed_mut(space) {
                placed.classes.remove(&fd);
            }
        }
        if let Descriptors::Open(flags) = changes
            && served.result >= 0
        {
            self.follow_opened(tid, call, served, usize::from(flags), effects)?;
        }
        if rule.is_some_and(|rule| rule.performs) {
            Self::follow_memory(tid, call, served, effects)?;
        }
        if served.result == 0 {
            self.follow_signals_served(tid, call, served);
        }
        Ok(())
    }

    /// A served call has changed memory where nothing was rewritten, or a part of what it was to, if it failed: then
    /// the thread stands behind it.
    fn follow_memory(
        tid: Pid,
        call: &Call,
        served: &Served<'_>,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step {
        if is_error(served.result) && !may_be_partial(call, served.result) {
            effects.extend(advice::followed(tid, call, served.result)?);
        }
        Ok(())
    }

    /// A served call has opened a file.
    fn follow_opened(
        &mut self,
        tid: Pid,
        call: &Call,
        served: &Served<'_>,
        flags: usize,
        effects: &mut Vec<Effect<'static>>,
    ) -> Step {
        if served.look {
            // It stands behind that call, as at a stop there.
            self.new_descriptors(tid, call, served.result, effects);
            return self.files_changed(tid, call, served.result, effects);
        }
        if call.int(flags) & libc::O_ACCMODE != 0
            && let Some(file) = served.file()
        {
            self.memories.descriptors.written(file);
        }
        Ok(())
    }

    /// A served call may have changed what is known of a thread's signals.
    fn follow_signals_served(&mut self, tid: Pid, call: &Call, served: &Served<'_>) {
        let Some(task) = self.tasks.get_mut(&tid).filter(|_| call.args[1] != 0) else {
            return;
        };
        let before = served.before();
        let mut set = [0; 8];
        let mut action = [0; ACTION_BYTES];
        match i64::from(call.def.nr) {
            libc::SYS_rt_sigprocmask if before.read(call.args[1], &mut set) == set.len() => {
                task.change_mask(call.int(0), u64::from_le_bytes(set));
            }
            libc::SYS_rt_sigaction if before.read(call.args[1], &mut action) == action.len() => {
                task.change_action(call.int(0), &action);
            }
            _ => {}
        }
    }
}

/// A list without anything in it, in the memory of another: that is made once, not for every call.
fn empty<T, U>(mut list: Vec<T>) -> Vec<U> {
    list.clear();
    list.into_iter().filter_map(|_| None).collect()
}

fn missing(tid: Pid, name: &str) -> Stumble {
    RecordError::Unsupported {
        tid: tid.0,
        what: format!("{name} as the agent serves it: memory is missing"),
    }
    .into()
}

fn broken(tid: Pid, how: &str) -> Stumble {
    RecordError::Unsupported {
        tid: tid.0,
        what: format!("a program that writes to the agent's memory ({how})"),
    }
    .into()
}
