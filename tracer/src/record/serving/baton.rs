//! Handing the logical CPU on inside the agent. While nobody waits for it whom only the recorder can let go on, the
//! thread that has it may free it when it waits, and who comes back from a wait takes it: a switch
//! without a stop, and none at all for a server that is alone. What happened is in the ring, in order.
//!
//! The recorder takes the CPU back (*regains* it) at every report, and when nothing has happened for a tick. From
//! then on it knows who has it. Threads that wait in the agent are then as those that wait in a
//! syscall that has stopped.

use super::super::error::{RecordError, Step, Stumble};
use super::super::session::Session;
use super::super::syscalls::{is_restart, number};
use super::super::task::{InCall, State, Task};
use crate::agent::inside::{self, Area};
use crate::model::{self, capture::Call};
use crate::sys::aside::Aside;
use crate::sys::mem::Remote;
use crate::sys::ptrace::{self, Stopped};
use crate::sys::ring::Ring;
use crate::sys::wait::{self, Pid, Status, Whom};
use agent::baton::Baton;
use agent::layout::{Off, RAW_SYSCALL};
use agent::rules;
use pmu::Regs;
use std::io;
use std::rc::Rc;

/// How the CPU is handed on without the recorder.
#[derive(Debug, Default)]
pub struct Batons {
    /// The ring in which that may be.
    open: Option<Rc<Ring>>,
    /// The one in which the recorder has it, for a while.
    ours: Option<Rc<Ring>>,
}

impl Batons {
    /// Whether threads may hand the CPU on.
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether threads that come back from a wait sleep until the recorder gives the CPU away.
    pub const fn keeps_others(&self) -> bool {
        self.ours.is_some()
    }

    /// Whether nobody has the CPU, although it could be taken.
    pub fn is_free(&self) -> bool {
        self.open.as_ref().is_some_and(|ring| ring.is_free())
    }

    /// Nobody is ready: who comes back from a wait may go on. False if nobody can have waited so.
    pub fn free(&mut self) -> bool {
        let Some(ring) = self.ours.take() else {
            return false;
        };
        ring.free();
        self.open = Some(ring);
        true
    }

    /// Who comes back from a wait is to report at once, unless `but` is the ring by which it does.
    pub fn shut(&mut self, but: Option<&Rc<Ring>>) {
        let others = |ours: &mut Rc<Ring>| !but.is_some_and(|but| Rc::ptr_eq(ours, but));
        if let Some(ring) = self.ours.take_if(others) {
            ring.shut();
        }
    }
}

impl Session {
    /// The thread goes on in user mode: whether it may hand the CPU on.
    pub(super) fn let_hand_on(&mut self, tid: Pid) -> Step {
        debug_assert!(!self.batons.is_open(), "the recorder has the CPU");
        self.bring_out_unfit()?;
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(());
        };
        let alone = self.ready.is_empty()
            // What was sent is not to wait until it has waited, too; and a standby is to know who waits.
            && self.network.is_none()
            && !task.is_seen
            && !task.own_filter
            && task.call.is_none()
            && task.stash.is_empty()
            && task.area.is_own();
        let placed = self.serving.placed(task.space);
        let ring = placed.map(|placed| &placed.ring);
        self.batons.shut(ring);
        let Some(placed) = placed.filter(|placed| alone && placed.off == Off::Nothing) else {
            return Ok(());
        };
        placed.ring.open(tid.0);
        self.batons.open = Some(Rc::clone(&placed.ring));
        self.batons.ours = None;
        Ok(())
    }

    /// Threads that wait inside the agent are not to go on by themselves: they stop where they are, and are let
    /// go on as if they had reported.
    pub(in super::super) fn bring_out(&mut self, which: impl Fn(&Self, &Task) -> bool) -> Step {
        let waits = |task: &&Task| task.parked && matches!(task.state, State::Waiting);
        let tasks = self.tasks.values().filter(waits);
        let tids: Vec<Pid> = tasks
            .filter(|task| which(self, task))
            .map(|task| task.tid)
            .collect();
        for tid in tids {
            if let Some(status) = self.stop_parked(tid) {
                self.note_if_there(tid, status)?;
            }
        }
        Ok(())
    }

    /// Stops a thread that waits inside the agent, if it has not stopped. `None`: its end is about to be reported.
    fn stop_parked(&mut self, tid: Pid) -> Option<Status> {
        let mut interrupted = false;
        let mut aside = Aside::default();
        loop {
            if let Some((_, status)) = wait::wait(Whom::Only(tid), false).ok()? {
                return Some(status);
            }
            if !std::mem::replace(&mut interrupted, true) {
                ptrace::interrupt(tid).ok()?;
            }
            // The end of a first thread is reported after those of the others.
            match self.tasks.get_mut(&tid).and_then(Task::kernel_state) {
                None | Some(b'Z' | b'X') => return None,
                Some(_) => aside.stand(),
            }
        }
    }

    /// Threads that wait inside the agent, and could read the time stamp counter when they went on, do not
    /// go on by themselves where that cannot be any more.
    pub(super) fn bring_out_unfit(&mut self) -> Step {
        if !self.counter.was_closed() {
            return Ok(());
        }
        self.bring_out(|session, task| !session.counter.fits(task))
    }

    /// `tid` was let go on, and somebody has reported, or nothing has happened for a while: nobody hands the CPU on
    /// any more. Who has it; all that was served is journaled.
    pub(in super::super) fn regain(&mut self, tid: Pid) -> Step<Option<Pid>> {
        let Some(ring) = self.batons.open.take() else {
            // If it has just been killed, the report may still be another one's.
            return match self.take_served(tid) {
                Ok(()) | Err(Stumble::Gone) => Ok(Some(tid)),
                Err(fatal @ Stumble::Fatal(_)) => Err(fatal),
            };
        };
        let holder = match ring.take_back() {
            Baton::Held { thread, .. } => Some(Pid(thread.cast_signed())),
            Baton::Free | Baton::Shut => None,
        };
        let drained = self.drain(&ring, tid);
        self.batons.ours = Some(ring);
        match drained {
            Ok(()) | Err(Stumble::Gone) => {}
            Err(fatal @ Stumble::Fatal(_)) => return Err(fatal),
        }
        let holder = holder.filter(|holder| self.tasks.contains_key(holder));
        if let Some(holder) = holder {
            self.has_taken(tid, holder);
        }
        Ok(holder)
    }

    /// A thread has the CPU, which `before` had when the recorder looked last.
    fn has_taken(&mut self, before: Pid, holder: Pid) {
        let Some(task) = self.tasks.get_mut(&holder) else {
            return;
        };
        if task.parked {
            // It has not told yet what came of its wait.
            task.state = State::Running;
            if let Some(placed) = self.serving.placed_mut(task.space) {
                placed.areas.taken_by(None);
            }
        }
        if holder != before {
            self.schedule.begin(!self.ready.is_empty());
            self.watch.runs(holder, !self.ready.is_empty());
        }
    }

    /// A thread has stopped, not by its own doing. If it waits inside the agent, it leaves that, and stands
    /// at the exit of its call. `noticed`: the application takes notice of what has stopped it.
    pub(in super::super) fn surface(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        noticed: impl FnOnce() -> Step<bool>,
    ) -> Step<Stopped> {
        let at = stopped.regs()?;
        let memory = Remote(tid);
        let Some((area, parked)) = self.tasks.get(&tid).map(|task| (task.area, task.parked)) else {
            return Ok(stopped);
        };
        let exit = if parked {
            let Some(result) = area.waited(memory, &at).map_err(looking())? else {
                return Ok(stopped);
            };
            self.be_back(tid)?;
            area.restore_vectors(memory, &stopped).map_err(looking())?;
            inside::leave_wait(memory, area, &at, result).map_err(looking())?
        } else {
            let Some(in_call) = self.wait_inside(tid, &at)? else {
                return Ok(stopped);
            };
            area.restore_vectors(memory, &stopped).map_err(looking())?;
            let mut exit = in_call.regs;
            exit.rax = at.rax;
            if let Some(task) = self.tasks.get_mut(&tid) {
                task.call = Some(in_call);
                // If it is made again, it is where the wait can be looked at.
                task.is_seen = true;
            }
            exit
        };
        let noticed = noticed()?;
        if let Some(in_call) = self.tasks.get_mut(&tid).and_then(|task| task.call.as_mut()) {
            in_call.noticed = noticed;
        }
        stopped.set_regs(&exit)?;
        self.syscall_exit(tid, stopped)?;
        let task = self.tasks.get_mut(&tid);
        let stopped = task.and_then(Task::take_stop);
        stopped.ok_or(Stumble::Gone)
    }

    /// A thread that has waited in the agent reports: it did not get the CPU by itself, or is to be seen
    /// with it. It leaves the agent, and stands behind its call.
    pub(in super::super) fn returned(&mut self, tid: Pid, stopped: Stopped, at: &Regs) -> Step {
        let memory = Remote(tid);
        let Some(area) = self.tasks.get(&tid).map(|task| task.area) else {
            return Ok(());
        };
        let result = area.waited(memory, at).map_err(looking())?;
        let result = match result {
            Some(result) => result,
            // What it wrote could not be kept.
            None => area.result(memory).map_err(looking())?,
        };
        self.be_back(tid)?;
        let mut exit = inside::leave_wait(memory, area, at, result).map_err(looking())?;
        let made = exit.orig_rax;
        // The report itself is no call.
        exit.orig_rax = u64::MAX;
        stopped.set_regs(&exit)?;
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.skips_syscall();
        }
        self.syscall_exit(tid, stopped)?;
        if is_restart(result)
            && let Some(State::Runnable(stopped)) = self.tasks.get(&tid).map(|task| &task.state)
        {
            // What the kernel does where it has ended the call.
            let mut again = stopped.regs()?;
            again.rax = made;
            again.rip -= inside::SYSCALL_BYTES;
            stopped.set_regs(&again)?;
        }
        self.stop_outside(tid)
    }

    /// A thread is not in the agent any more, in which it has waited.
    fn be_back(&mut self, tid: Pid) -> Step {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        let begun = task.area.wait_begun(Remote(tid));
        match (&mut task.call, task.parked) {
            (Some(in_call), true) => {
                task.parked = false;
                in_call.begun = begun.unwrap_or(in_call.begun);
                if let Some(placed) = self.serving.placed_mut(task.space) {
                    placed.areas.taken_by(None);
                }
                Ok(())
            }
            _ => Err(RecordError::Unsupported {
                tid: tid.0,
                what: "a program that calls into the agent by itself".to_owned(),
            }
            .into()),
        }
    }

    /// The call that a thread waits in inside the agent, with the CPU; the agent is left.
    fn wait_inside(&mut self, tid: Pid, at: &Regs) -> Step<Option<InCall>> {
        let result = at.rax.cast_signed();
        let broken_off = is_restart(result) || result == -i64::from(libc::EINTR);
        if at.rip != RAW_SYSCALL + inside::SYSCALL_BYTES
            || !broken_off
            || !self.performs_inside(tid)
        {
            return Ok(None);
        }
        let memory = Remote(tid);
        let area = self.tasks.get(&tid).map_or(Area::COMMON, |task| task.area);
        let nr = area.number(memory).map_err(looking())?;
        // What a call only reads may have been changed by now.
        let plain = rules::find(nr).is_some() && rules::all(nr).all(|rule| rule.reads.is_empty());
        let (Some(def), true) = (u32::try_from(nr).ok().and_then(model::lookup), plain) else {
            return Ok(None);
        };
        let regs = inside::enter_rest(memory, area, at).map_err(looking())?;
        debug_assert_eq!(u64::from(number(&regs)), nr);
        self.take_clocks(tid)?;
        let call = Call {
            def,
            args: regs.args(),
        };
        let in_call = InCall::at_entry(call, regs, &memory)
            .map_err(|error| super::super::doubt::unsupported(tid, &error))?;
        Ok(Some(in_call))
    }

    /// A thread is about to end: if it waits inside the agent, the journal has it in that call.
    pub(in super::super) fn ends_inside(&mut self, tid: Pid, stopped: &Stopped) -> Step {
        if let Some(in_call) = self.wait_inside(tid, &stopped.regs()?)? {
            if let Some(task) = self.tasks.get_mut(&tid) {
                task.call = Some(in_call);
            }
            self.emit_enter(tid)?;
        }
        Ok(())
    }
}

/// Why the agent's memory could not be read or written.
pub(super) fn looking() -> impl FnOnce(io::Error) -> RecordError {
    RecordError::os("looking at the agent's page")
}
