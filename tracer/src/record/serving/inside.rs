//! Stops inside the agent, or in a trampoline: what they mean to the application, to which neither
//! exists.

use super::super::error::{RecordError, Step};
use super::super::session::Session;
use super::super::signals::send_stashed;
use super::super::syscalls::is_restart;
use super::super::task::State;
use super::baton::looking;
use crate::agent::image;
use crate::agent::inside::{self, Area};
use crate::sys::host;
use crate::sys::mem::Remote;
use crate::sys::ptrace::{self, Resume, Stopped};
use crate::sys::wait::Pid;
use agent::layout::{Phase, RAW_SYSCALL};
use agent::rules::{self, Wait};
use pmu::Regs;
use std::time::Duration;

/// How long the agent may wait for memory that it looks at, and everybody else for it.
const FAULT_MAX: Duration = Duration::from_secs(10);

impl Session {
    /// Registers at a syscall's entry as they would be without trampolines.
    pub(in super::super) fn entry_seen(
        &self,
        tid: Pid,
        stopped: &Stopped,
        regs: &mut Regs,
    ) -> Step {
        let placed = self
            .tasks
            .get(&tid)
            .and_then(|task| self.serving.placed(task.space));
        if let Some(after) = placed.and_then(|placed| placed.sites.seen_at(regs.rip)) {
            regs.rip = after;
            regs.rcx = after;
            stopped.set_regs(regs)?;
        }
        Ok(())
    }

    /// Whether a thread stands where the agent reports that it has served a call.
    pub(in super::super) fn reports(&self, tid: Pid, regs: &Regs) -> bool {
        inside::reports(regs)
            && self
                .tasks
                .get(&tid)
                .is_some_and(|task| self.serving.placed(task.space).is_some())
    }

    /// The agent has served a call and reports instead of going on: the thread leaves it, and
    /// stands behind that syscall.
    pub(in super::super) fn reported(&mut self, tid: Pid, stopped: Stopped, at: &Regs) -> Step {
        let regs = inside::leave(Remote(tid), self.area(tid), at).map_err(looking())?;
        stopped.set_regs(&regs)?;
        self.stop_outside(tid)?;
        self.at_sync_point(tid, regs);
        let space = self.tasks.get(&tid).map(|task| task.space);
        self.step_over(space, &stopped, &regs)?;
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.skips_syscall();
            send_stashed(task);
        }
        self.runnable(tid, stopped);
        Ok(())
    }

    /// The agent has written a part of what it was asked to, and the rest would wait: the thread
    /// leaves it, and stands at the entry of that syscall.
    pub(in super::super) fn done_in_part(
        &self,
        tid: Pid,
        stopped: &Stopped,
        at: &Regs,
    ) -> Step<Regs> {
        let regs = inside::enter_rest(Remote(tid), self.area(tid), at).map_err(looking())?;
        stopped.set_regs(&regs)?;
        Ok(regs)
    }

    /// A thread at the entry of a write of which so many bytes are done is about to make it: the
    /// kernel is asked for the rest. Signals that wait for the thread end it, as they would have.
    pub(in super::super) fn make_rest(
        &mut self,
        tid: Pid,
        stopped: &Stopped,
        entered: &Regs,
        done: u64,
    ) -> Step {
        if done == 0 {
            return Ok(());
        }
        let mut rest = *entered;
        rest.rsi = rest.rsi.wrapping_add(done);
        rest.rdx = rest.rdx.saturating_sub(done);
        stopped.set_regs(&rest)?;
        if let Some(task) = self.tasks.get_mut(&tid) {
            send_stashed(task);
        }
        Ok(())
    }

    /// Registers at a stop that is none of a syscall, as they would be without trampolines; they
    /// are set if they differ.
    pub(in super::super) fn as_seen(&self, tid: Pid, stopped: &Stopped, regs: &mut Regs) -> Step {
        let placed = self
            .tasks
            .get(&tid)
            .and_then(|task| self.serving.placed(task.space));
        if let Some(ip) = placed.and_then(|placed| placed.sites.application_ip(regs.rip)) {
            regs.rip = ip;
            stopped.set_regs(regs)?;
        }
        Ok(())
    }

    /// Whether an address is the agent's.
    pub(in super::super) fn is_agents(&self, tid: Pid, ip: u64) -> bool {
        let placed = self
            .tasks
            .get(&tid)
            .and_then(|task| self.serving.placed(task.space));
        placed.is_some() && inside::contains(ip)
    }

    /// Whether the agent is in a thread's address space.
    pub(in super::super) fn has_agent(&self, tid: Pid) -> bool {
        let task = self.tasks.get(&tid);
        task.is_some_and(|task| self.serving.placed(task.space).is_some())
    }

    /// A signal has come that is to be delivered: the thread is to be seen as soon as possible.
    pub(in super::super) fn hurry(&mut self, tid: Pid, ip: u64) -> Step {
        let Some(space) = self.tasks.get(&tid).map(|task| task.space) else {
            return Ok(());
        };
        let Some(placed) = self.serving.placed(space) else {
            return Ok(());
        };
        placed.ring.ask_stop(true);
        if inside::contains(ip) {
            self.area(tid).ask_report(Remote(tid)).map_err(looking())?;
        }
        Ok(())
    }

    /// Where the agent keeps what concerns a thread.
    fn area(&self, tid: Pid) -> Area {
        self.tasks.get(&tid).map_or(Area::COMMON, |task| task.area)
    }

    /// Others wait for the thread's slice to end.
    pub(in super::super) fn ask_stop(&self, tid: Pid) {
        if let Some(task) = self.tasks.get(&tid)
            && let Some(placed) = self.serving.placed(task.space)
        {
            placed.ring.ask_stop(true);
        }
    }

    /// The thread goes on in user mode: its calls may be served, unless a signal waits for it. From here
    /// on the answers in the ring, which processes share, are its own.
    pub(in super::super) fn serve_next(&mut self, tid: Pid) -> Step {
        if let Some(task) = self.tasks.get(&tid)
            && let Some(placed) = self.serving.placed(task.space)
        {
            placed.ring.ask_stop(!task.stash.is_empty() || task.is_seen);
            task.answers.tell(&placed.ring, tid);
            placed.ring.settle();
        }
        self.be_current(tid);
        self.let_change(tid);
        self.let_hand_on(tid)
    }

    /// Tells the agent which files it must not open for writing without a look. Where both nodes reach the
    /// storage, it changes none.
    fn let_change(&mut self, tid: Pid) {
        if self.keeps_shared() {
            return;
        }
        let Some(space) = self.tasks.get(&tid).map(|task| task.space) else {
            return;
        };
        let looked_at = &self.memories.descriptors.looked_at;
        if let Some(placed) = self.serving.placed_mut(space)
            && placed.looked_at != looked_at.version()
        {
            placed.ring.let_change(looked_at.bits());
            placed.looked_at = looked_at.version();
        }
    }

    /// A thread sleeps, and others could run. Whether it does so inside the agent, where it must
    /// not be left: what the agent keeps there is for one thread at a time. If it waits in a
    /// syscall that the agent performs, it is interrupted, and makes that call where it is seen.
    pub(in super::super) fn stays_inside(&mut self, tid: Pid) -> Step<bool> {
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(false);
        };
        let in_call = task.call.is_some() && !task.parked;
        if in_call || self.serving.placed(task.space).is_none() {
            return Ok(false);
        }
        let at = host::sleeps_at(tid);
        if !at.is_some_and(inside::contains) {
            return Ok(false);
        }
        if self.performs_inside(tid) {
            ptrace::interrupt(tid)?;
        } else if self.schedule.lasts_for() > FAULT_MAX {
            // Memory that it looks at has to be read from somewhere.
            return Err(RecordError::Unsupported {
                tid: tid.0,
                what: "a syscall on memory that takes so long to be there".to_owned(),
            }
            .into());
        }
        Ok(true)
    }

    /// Whether a thread is in a syscall that the agent performs for it.
    pub(super) fn performs_inside(&self, tid: Pid) -> bool {
        let Some(task) = self.tasks.get(&tid) else {
            return false;
        };
        task.call.is_none()
            && self.serving.placed(task.space).is_some()
            && task.area.phase(Remote(tid)) == Phase::Performs as u32
    }

    /// A thread was interrupted or, with its process, stopped. If it is in the agent, it goes on until
    /// it has left it, for whoever has the CPU next may enter it, too; and stops then. Where it waits in a
    /// syscall that the agent performs, it leaves at once and makes the call where it is seen. Gives the
    /// stop back if it is not in there.
    pub(in super::super) fn leave_inside(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        stops: bool,
    ) -> Step<Option<Stopped>> {
        let at = stopped.regs()?;
        if !self.is_agents(tid, at.rip) {
            return Ok(Some(stopped));
        }
        let (memory, area) = (Remote(tid), self.area(tid));
        let broken_off = at.rip == RAW_SYSCALL + inside::SYSCALL_BYTES
            && self.performs_inside(tid)
            && is_restart(at.rax.cast_signed());
        // What is tried without time is not waited in: the kernel tries it again.
        let waits = broken_off && !takes_time(area.number(memory).map_err(looking())?);
        if waits {
            area.restore_vectors(memory, &stopped).map_err(looking())?;
            let regs = inside::make_it_seen(memory, area, &at).map_err(looking())?;
            stopped.set_regs(&regs)?;
        } else {
            area.ask_report(memory).map_err(looking())?;
        }
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.stops_outside |= stops;
            task.state = State::Running;
        }
        stopped.resume(Resume::Cont, 0)?;
        Ok(None)
    }

    /// A thread that was to stop, but for being in the agent, has left it: it stops before it executes
    /// anything.
    pub(in super::super) fn stop_outside(&mut self, tid: Pid) -> Step {
        let task = self.tasks.get_mut(&tid);
        if task.is_some_and(|task| std::mem::take(&mut task.stops_outside)) {
            ptrace::interrupt(tid)?;
        }
        Ok(())
    }

    /// An instruction of the agent or at a rewritten site has raised a signal: deals with that.
    /// Gives the stop back if it is the application's own.
    pub(in super::super) fn fault_inside(
        &mut self,
        tid: Pid,
        stopped: Stopped,
        signal: i32,
        regs: &Regs,
    ) -> Step<Option<Stopped>> {
        let placed = self
            .tasks
            .get(&tid)
            .and_then(|task| self.serving.placed(task.space));
        let Some(placed) = placed else {
            return Ok(Some(stopped));
        };
        let mut onward = *regs;
        if signal == libc::SIGTRAP
            && let Some(moved) = placed.sites.moved(regs.rip.wrapping_sub(1))
        {
            onward.rip = moved;
        } else if signal == libc::SIGTRAP
            && inside::is_hidden_step(&placed.sites, regs.rip, &stopped.siginfo()?)
        {
            // It goes on where it is.
        } else if image::contains(regs.rip) && matches!(signal, libc::SIGSEGV | libc::SIGBUS) {
            let recover = inside::recovers(Remote(tid), self.area(tid), regs.rip);
            onward.rip = recover.ok_or_else(|| RecordError::Unsupported {
                tid: tid.0,
                what: "memory that the kernel can write and the program cannot read".to_owned(),
            })?;
        } else {
            return Ok(Some(stopped));
        }
        let stopped = self.undo_force(tid, stopped, signal, &onward)?;
        stopped.set_regs(&onward)?;
        let own_filter = self.tasks.get(&tid).is_some_and(|task| task.own_filter);
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.state = State::Running;
        }
        let how = if own_filter {
            Resume::Syscall
        } else {
            Resume::Cont
        };
        stopped.resume(how, 0)?;
        Ok(None)
    }

    /// Where a thread stands behind a syscall whose neighbours have been moved, it goes on with
    /// the moved ones.
    pub(in super::super) fn step_over(
        &self,
        space: Option<super::SpaceId>,
        stopped: &Stopped,
        regs: &Regs,
    ) -> Step {
        let placed = space.and_then(|space| self.serving.placed(space));
        if let Some(moved) = placed.and_then(|placed| placed.sites.moved(regs.rip)) {
            let mut onward = *regs;
            onward.rip = moved;
            stopped.set_regs(&onward)?;
        }
        Ok(())
    }
}

/// Whether the agent tries a call with no time first.
fn takes_time(nr: u64) -> bool {
    rules::all(nr).any(|rule| matches!(rule.wait, Wait::Timeout(_) | Wait::Time(..)))
}
