//! The time stamp counter while recording: in which address spaces it can be read, so that the
//! agent can let the vDSO tell the time. It can where all code has been looked through, and every
//! instruction that reads it traps by itself. Any other code brings the kernel's trap back for
//! every thread before it executes anything more.

use super::error::{RecordError, Step, Stumble};
use super::guards::{Change, Guards};
use super::session::Session;
use super::syscalls::is_restart;
use super::task::{SpaceId, State, Task};
use crate::agent;
use crate::layout::PAGE_SYSCALL;
use crate::remote;
use crate::sys::mem::Remote;
use crate::sys::tsc;
use crate::sys::wait::Pid;
use std::collections::HashSet;
use std::ops::Range;

/// The tracer has the restriction of the threads that it resumes once so many in a row differ from
/// it: changing it costs as much as one of these stops.
const STRANGERS_MAX: u32 = 2;
/// Memory that can be read can be executed (`personality`).
const READ_IMPLIES_EXEC: u64 = 0x040_0000;

/// Where the time stamp counter can be read.
#[derive(Debug, Default)]
pub struct Counter {
    open: HashSet<SpaceId>,
    /// What must not be executed there as long as it can.
    pub(super) guards: Guards,
    /// Somewhere it cannot be read any more, and threads may not know.
    closed: bool,
    /// The tracer itself may read it.
    ours_open: bool,
    strangers: u32,
}

impl Counter {
    /// A copy of an address space was made.
    pub fn forked(&mut self, from: SpaceId, to: SpaceId) {
        if self.open.contains(&from) {
            self.open.insert(to);
        }
        self.guards.forked(from, to);
    }

    /// Forgets address spaces that no thread has any more.
    pub fn spaces_left(&mut self, left: &HashSet<SpaceId>) {
        self.open.retain(|space| left.contains(space));
        self.guards.spaces_left(left);
    }

    /// Whether it can be read in an address space.
    pub fn is_open(&self, space: SpaceId) -> bool {
        self.open.contains(&space)
    }

    /// Whether somewhere it cannot be read any more since this was asked last.
    pub fn was_closed(&mut self) -> bool {
        std::mem::take(&mut self.closed)
    }

    /// Whether a thread, and the code of its address space, are as that asks for.
    pub fn fits(&self, task: &Task) -> bool {
        task.counter_traps != self.open.contains(&task.space) && self.guards.is_settled(task.space)
    }

    /// Follows what most of the threads have that are resumed.
    fn follow(&mut self, traps: bool) {
        if traps != self.ours_open {
            self.strangers = 0;
            return;
        }
        self.strangers += 1;
        if self.strangers > STRANGERS_MAX {
            self.strangers = 0;
            self.ours_open = !traps;
            tsc::follow(traps);
        }
    }
}

impl Session {
    /// All code of the thread's address space, which is new, has been looked through, and what is
    /// to be guarded is not known to be code; the vDSO's own `clock_gettime` is at `original`.
    pub(super) fn open_counter(
        &mut self,
        tid: Pid,
        original: u64,
        guards: Vec<Range<u64>>,
    ) -> Step {
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(());
        };
        // What its filter says to `prctl` is not known.
        if task.own_filter || task.strict || implies_exec(tid) {
            return Ok(());
        }
        if !self.counter.guards.add(task.space, guards) {
            return Ok(());
        }
        self.counter.open.insert(task.space);
        agent::set_original(Remote(tid), original)
            .map_err(RecordError::os("preparing the agent's page"))?;
        Ok(())
    }

    /// More code has been looked through, except what is to be guarded (`None`: what there is
    /// cannot be told, or guarded).
    pub(super) fn more_code(&mut self, tid: Pid, guards: Option<Vec<Range<u64>>>) {
        let Some(space) = self.tasks.get(&tid).map(|task| task.space) else {
            return;
        };
        if !self.counter.is_open(space) {
            return;
        }
        if !guards.is_some_and(|guards| self.counter.guards.add(space, guards)) {
            self.close_counter(tid);
        }
    }

    /// There is code that was not looked through.
    pub(super) fn close_counter(&mut self, tid: Pid) {
        let Some(space) = self.tasks.get(&tid).map(|task| task.space) else {
            return;
        };
        if self.counter.open.remove(&space) {
            self.counter.closed = true;
            // Whoever has just been killed reads no clock.
            let _ = agent::set_original(Remote(tid), 0);
        }
    }

    /// The same everywhere.
    pub(super) fn close_counters(&mut self) {
        let mut threads: Vec<Pid> = Vec::new();
        for task in self.tasks.values() {
            if self.counter.open.contains(&task.space) {
                threads.push(task.tid);
            }
        }
        for tid in threads {
            self.close_counter(tid);
        }
    }

    /// Gives a thread that is about to be resumed what its address space asks for.
    pub(super) fn match_counter(&mut self, tid: Pid) -> Step {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        if self.counter.fits(task) || task.call.is_some() {
            self.counter.follow(task.counter_traps);
            return Ok(());
        }
        let Some(stopped) = task.take_stop() else {
            return Ok(());
        };
        let regs = stopped.regs()?;
        if regs.orig_rax != u64::MAX && is_restart(regs.rax.cast_signed()) {
            // It stops again before it executes anything.
            task.state = State::Runnable(stopped);
            return Ok(());
        }
        let (space, own_filter) = (task.space, task.own_filter);
        let suspended = own_filter && stopped.suspend_seccomp(true).is_ok();
        let mut met = remote::Met::new();
        let mut stopped = stopped;
        for change in self.counter.guards.take_due(space) {
            let nr = libc::SYS_mprotect;
            let args = protection(&change);
            let (left, result) = remote::call_at(stopped, &regs, PAGE_SYSCALL, nr, args, &mut met)?;
            stopped = left;
            if result != 0 && change.executable {
                return Err(unsupported(tid, "mprotect"));
            } else if result != 0 {
                self.close_counter(tid);
            }
        }
        let traps = !self.counter.open.contains(&space);
        if self
            .tasks
            .get(&tid)
            .is_some_and(|task| task.counter_traps != traps)
        {
            let nr = libc::SYS_prctl;
            let (left, result) = remote::call_at(
                stopped,
                &regs,
                PAGE_SYSCALL,
                nr,
                restriction(traps),
                &mut met,
            )?;
            stopped = left;
            match self.tasks.get_mut(&tid) {
                Some(task) if result == 0 => task.counter_traps = traps,
                _ if traps => return Err(unsupported(tid, "prctl")),
                _ => self.close_counter(tid),
            }
        }
        if suspended {
            stopped
                .suspend_seccomp(false)
                .map_err(RecordError::os("resuming the seccomp filters"))?;
        }
        stopped.set_regs(&regs)?;
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.stash.extend(met);
            task.state = State::Runnable(stopped);
        }
        Ok(())
    }
}

/// Arguments of `prctl`.
fn restriction(traps: bool) -> [u64; 6] {
    let mode = if traps {
        libc::PR_TSC_SIGSEGV
    } else {
        libc::PR_TSC_ENABLE
    };
    let what = libc::PR_SET_TSC.unsigned_abs().into();
    [what, mode.unsigned_abs().into(), 0, 0, 0, 0]
}

/// Arguments of `mprotect`.
fn protection(change: &Change) -> [u64; 6] {
    let prot = if change.executable {
        libc::PROT_READ | libc::PROT_EXEC
    } else {
        libc::PROT_READ
    };
    let len = change.range.end - change.range.start;
    [change.range.start, len, prot.unsigned_abs().into(), 0, 0, 0]
}

fn unsupported(tid: Pid, call: &str) -> Stumble {
    RecordError::Unsupported {
        tid: tid.0,
        what: format!("code that was not known while a seccomp filter forbids {call}"),
    }
    .into()
}

/// Whether memory of a thread is executable without saying so; if that cannot be told, it is.
fn implies_exec(tid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{tid}/personality"))
        .ok()
        .and_then(|text| u64::from_str_radix(text.trim(), 16).ok())
        .is_none_or(|bits| bits & READ_IMPLIES_EXEC != 0)
}
