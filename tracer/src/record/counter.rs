//! The time stamp counter while recording: in which address spaces it can be read, so that the
//! agent can let the vDSO tell the time. It can where all code has been looked through, and every
//! instruction that reads it traps by itself. Any other code brings the kernel's trap back for
//! every thread before it executes anything more.

use super::error::{RecordError, Step};
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

/// The tracer has the restriction of the threads that it resumes once so many in a row differ from
/// it: changing it costs as much as one of these stops.
const STRANGERS_MAX: u32 = 2;
/// Memory that can be read can be executed (`personality`).
const READ_IMPLIES_EXEC: u64 = 0x040_0000;

/// Where the time stamp counter can be read.
#[derive(Debug, Default)]
pub struct Counter {
    open: HashSet<SpaceId>,
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
    }

    /// Whether a thread has what its address space asks for.
    pub fn fits(&self, task: &Task) -> bool {
        task.counter_traps != self.open.contains(&task.space)
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
    /// All code of the thread's address space, which is new, has been looked through; the vDSO's
    /// own `clock_gettime` is at `original`.
    pub(super) fn open_counter(&mut self, tid: Pid, original: u64) -> Step {
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(());
        };
        // What its filter says to `prctl` is not known.
        if task.own_filter || task.strict || implies_exec(tid) {
            return Ok(());
        }
        let left: HashSet<SpaceId> = self.tasks.values().map(|task| task.space).collect();
        self.counter.open.retain(|space| left.contains(space));
        self.counter.open.insert(task.space);
        agent::set_original(Remote(tid), original)
            .map_err(RecordError::os("preparing the agent's page"))?;
        Ok(())
    }

    /// There is code that was not looked through.
    pub(super) fn close_counter(&mut self, tid: Pid) {
        let Some(space) = self.tasks.get(&tid).map(|task| task.space) else {
            return;
        };
        if self.counter.open.remove(&space) {
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
        let traps = !self.counter.open.contains(&task.space);
        let mode = if traps {
            libc::PR_TSC_SIGSEGV
        } else {
            libc::PR_TSC_ENABLE
        };
        let own_filter = task.own_filter;
        let suspended = own_filter && stopped.suspend_seccomp(true).is_ok();
        let args = [
            libc::PR_SET_TSC.unsigned_abs().into(),
            mode.unsigned_abs().into(),
            0,
            0,
            0,
            0,
        ];
        let mut met = remote::Met::new();
        let nr = libc::SYS_prctl;
        let (stopped, result) = remote::call_at(stopped, &regs, PAGE_SYSCALL, nr, args, &mut met)?;
        if suspended {
            stopped
                .suspend_seccomp(false)
                .map_err(RecordError::os("resuming the seccomp filters"))?;
        }
        stopped.set_regs(&regs)?;
        let Some(task) = self.tasks.get_mut(&tid) else {
            return Ok(());
        };
        task.stash.extend(met);
        task.state = State::Runnable(stopped);
        if result == 0 {
            task.counter_traps = traps;
        } else if traps {
            return Err(RecordError::Unsupported {
                tid: tid.0,
                what: "code made at run time while a seccomp filter forbids prctl".to_owned(),
            }
            .into());
        } else {
            self.close_counter(tid);
        }
        Ok(())
    }
}

/// Whether memory of a thread is executable without saying so; if that cannot be told, it is.
fn implies_exec(tid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{tid}/personality"))
        .ok()
        .and_then(|text| u64::from_str_radix(text.trim(), 16).ok())
        .is_none_or(|bits| bits & READ_IMPLIES_EXEC != 0)
}
