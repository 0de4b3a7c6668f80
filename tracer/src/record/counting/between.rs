//! Where a thread stands between two sync points when its turn ends or a signal comes, and how replay finds it there:
//! by its count, or by its whole state.

use super::super::error::{RecordError, Step};
use super::super::session::Session;
use super::super::signals;
use super::{Place, looking_at_memory};
use crate::counting::{self, Counting};
use crate::layout;
use crate::maps;
use crate::sys::mem::Remote;
use crate::sys::ptrace::{self, Stopped};
use crate::sys::wait::Pid;
use journal::Event;
use pmu::{Counter, Position, Rcb, Regs, SyncIndex};
use std::time::Duration;

/// How often a thread's memory is looked at before its state is taken: what has changed since tells best where it is.
const SNAPSHOTS: usize = 2;
/// How long after the last of these looks the state is taken.
const A_LITTLE: Duration = Duration::from_micros(300);
/// How much CPU time it has to have had in between, in nanoseconds.
const ENOUGH_NS: u64 = 200_000;
/// For how many times as long that is waited for.
const TRIES: usize = 50;
/// Where the kernel does not say how much it was: how often it goes on a little until it has changed anything.
const TRIES_STILL: usize = 5;
/// Up to how many sync points a thread is counted that was stopped between two.
const CREDIT: u32 = 64;

impl Session {
    /// Whether a thread that stands between two sync points is counted, so that it can be stopped there.
    pub(in crate::record) fn stops_between(&self, tid: Pid) -> bool {
        self.is_counted(tid).is_some()
    }

    /// A thread that is counted stands between two sync points, and is to stop: behind the next branch, where its count
    /// says where it is; or here, if it has not come to one since it was asked before.
    pub(in crate::record) fn stop_between(&mut self, tid: Pid, stopped: Stopped) -> Step {
        let regs = stopped.regs()?;
        let counts = self.counts_at(tid, regs.rip);
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        let counted = &mut task.counted;
        if counts && counted.arrived {
            return self.rendezvous(tid, stopped, &regs, false);
        }
        if !std::mem::replace(&mut counted.soon, true) || !counts {
            self.runnable(tid, stopped);
            return self.go_on_a_little(tid);
        }
        self.stop_by_state(tid, stopped, &regs, true)
    }

    /// A thread is to stop where replay finds it by its state, to which it comes by a count first if it is `counted`:
    /// here, or a little later.
    fn stop_by_state(&mut self, tid: Pid, stopped: Stopped, regs: &Regs, counted: bool) -> Step {
        if self.remember(tid)? {
            let next = counting::stepped(Remote(tid), regs.rip);
            // Replay executes such an instruction at once. It stands in the middle of it only where it knows how to split
            // it, and when it has come there.
            let within = next.repeats() && !(counted && counting::rep(next.code()).is_some());
            if !within {
                return self.rendezvous(tid, stopped, regs, true);
            }
        }
        self.runnable(tid, stopped);
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        if task.counted.tries < TRIES {
            return self.go_on_a_little(tid);
        }
        // It does little else: another time.
        task.counted.forget_looks();
        self.go_on(tid)
    }

    /// A thread is going to be found by its whole state if it does not come to anything better: what changes until then
    /// tells best where it is. Whether enough is known of it.
    fn remember(&mut self, tid: Pid) -> Step<bool> {
        let memory = Remote(tid);
        if let Some(task) = self.tasks.get_mut(&tid)
            && task.counted.before.len() == SNAPSHOTS
        {
            let counted = &mut task.counted;
            counted.tries += 1;
            return Ok(match cpu_time(tid).zip(counted.cpu_before) {
                Some((now, before)) => {
                    let ran = now.saturating_sub(before);
                    ran >= ENOUGH_NS || counted.tries == TRIES
                }
                None => {
                    let last = counted.before.last();
                    let moved = last.is_some_and(|last| last.has_changed(memory));
                    moved || counted.tries == TRIES_STILL
                }
            });
        }
        if let Some(pages) = counting::pages(memory, &[]).map_err(looking_at_memory())?
            && let Some(task) = self.tasks.get_mut(&tid)
        {
            task.counted.before.push(counting::snapshot(memory, &pages));
            task.counted.cpu_before = cpu_time(tid);
        }
        Ok(false)
    }

    /// A thread goes on. If all but the last look at it is taken, that follows at once: what changes in so short a time
    /// changes always.
    fn go_on_a_little(&mut self, tid: Pid) -> Step {
        self.go_on(tid)?;
        if let Some(task) = self.tasks.get_mut(&tid)
            && task.counted.before.len() == SNAPSHOTS
            && !std::mem::replace(&mut task.counted.interrupted, true)
        {
            let before = task.counted.cpu_before;
            for _ in 0..TRIES {
                // It has this CPU meanwhile, if nobody else has; what waits for the CPU stops before it executes anything.
                std::thread::sleep(A_LITTLE);
                let ran = cpu_time(tid).zip(before);
                let ran = ran.map(|(now, before)| now.saturating_sub(before));
                let waits = task.kernel_state() == Some(b'R');
                if !waits || ran.is_none_or(|ran| ran >= ENOUGH_NS) {
                    break;
                }
            }
            ptrace::interrupt(tid)?;
        }
        Ok(())
    }

    /// A thread has stopped between two sync points, where replay will find it: by its count, by its `whole` state, or
    /// both. It is a sync point from now on.
    fn rendezvous(&mut self, tid: Pid, stopped: Stopped, regs: &Regs, whole: bool) -> Step {
        let known = self.is_counted(tid).is_some();
        self.take_done(tid)?;
        if whole {
            let memory = Remote(tid);
            let in_flight = self.in_flight(tid)?;
            let pages = counting::pages(memory, &in_flight).map_err(looking_at_memory())?;
            let Some(pages) = pages else {
                // Too much: it goes on as if nobody had asked.
                self.runnable(tid, stopped);
                return self.go_on(tid);
            };
            let before = self
                .tasks
                .get_mut(&tid)
                .map(|task| std::mem::take(&mut task.counted.before));
            let state = journal::State {
                regs: *regs,
                vectors: counting::vectors(&stopped.xstate()?),
                pages,
                words: counting::changed_words(&before.unwrap_or_default(), memory, &in_flight),
            };
            if !in_flight.is_empty() {
                self.emit_for(tid, &Event::InFlight(in_flight))?;
            }
            self.emit_for(tid, &Event::State(state))?;
        }
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(());
        };
        let at = Position {
            sync: SyncIndex(task.counted.syncs),
            rcb: Rcb(if known { task.counted.branches } else { 0 }),
            ip: regs.rip,
            signature: regs.signature(),
            counter: match self.options.counting {
                _ if !known => Counter::State,
                Counting::Stepped => Counter::Stepped,
                _ => Counter::Software,
            },
        };
        self.emit_for(tid, &Event::Preempt(at))?;
        self.at_sync_point(tid, *regs);
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.counted.credit = CREDIT;
            task.counted.looks.turn_ended();
            signals::send_stashed(task);
        }
        self.runnable(tid, stopped);
        Ok(())
    }

    /// A thread computes, and others wait for the end of its slice, or a signal for its next sync point: it is to stop
    /// where it is, if replay can find it there.
    pub(in crate::record) fn preempt(&mut self, tid: Pid) -> Step {
        let adaptive = self.options.counting == Counting::Adaptive;
        let long = self.schedule.is_long();
        let over = self.is_others_turn();
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(());
        };
        let signals = !task.stash.is_empty();
        let stops = match task.counted.place {
            Place::Inside => over || signals,
            Place::Native => adaptive && self.can_be_counted(task) && (signals || over && long),
            Place::Still => false,
        };
        if let Some(task) = self.tasks.get_mut(&tid).filter(|_| stops)
            && !std::mem::replace(&mut task.counted.interrupted, true)
        {
            ptrace::interrupt(tid)?;
        }
        Ok(())
    }

    /// Whether a thread computes while signals wait for it that it could be stopped for.
    pub(in crate::record) fn computes_with_signals(&self, tid: Pid) -> bool {
        let task = self.tasks.get(&tid);
        self.options.counting != Counting::Never
            && task.is_some_and(|task| !task.stash.is_empty() && self.can_be_counted(task))
    }

    /// A thread was interrupted between two sync points. If it is to stop there, it does. Gives the stop back if not.
    pub(in crate::record) fn preempted(
        &mut self,
        tid: Pid,
        stopped: Stopped,
    ) -> Step<Option<Stopped>> {
        let over = self.is_others_turn();
        let signals = self
            .tasks
            .get(&tid)
            .is_some_and(|task| !task.stash.is_empty());
        if !over && !signals {
            return Ok(Some(stopped));
        }
        if self.is_counted(tid).is_some() {
            self.stop_between(tid, stopped)?;
            return Ok(None);
        }
        if self.options.counting != Counting::Adaptive
            || !self.is_natively_between(tid, &stopped)?
        {
            return Ok(Some(stopped));
        }
        let regs = stopped.regs()?;
        self.stop_by_state(tid, stopped, &regs, false)?;
        Ok(None)
    }

    /// Whether a thread that is not counted stands at an instruction of the application's.
    fn is_natively_between(&mut self, tid: Pid, stopped: &Stopped) -> Step<bool> {
        let can = self
            .tasks
            .get(&tid)
            .is_some_and(|task| self.can_be_counted(task));
        let mut regs = stopped.regs()?;
        self.as_seen(tid, stopped, &mut regs)?;
        let supervisors = layout::touches_page(regs.rip, 1) || self.is_agents(tid, regs.rip);
        if !can || supervisors || layout::is_vsyscall(regs.rip) {
            return Ok(false);
        }
        let areas = maps::read(tid).map_err(RecordError::os("reading the memory map"))?;
        let area = areas
            .iter()
            .find(|area| (area.start..area.end).contains(&regs.rip));
        // What is not translated in replay would be executed there step by step.
        let steps = counting::has_stepped_code(&areas);
        // The agent calls the vDSO's functions.
        Ok(!steps && area.is_some_and(|area| area.name != b"[vdso]"))
    }
}

/// Nanoseconds that a thread has had a CPU for; none where the kernel does not say.
fn cpu_time(tid: Pid) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{tid}/schedstat")).ok()?;
    text.split(' ').next()?.parse().ok()
}
